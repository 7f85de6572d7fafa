import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { layoutOf } from '#server/postgres/layout.ts'
import { lockDirectory } from '#server/postgres/lock.ts'

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

test('a start that cannot say whose the directory is, as on a full disk, leaves it to the next', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'xeenet-lock-'))
  folders.push(dataDir)
  const layout = layoutOf(dataDir)
  await mkdir(layout.holder) // no file can be written there
  await expect(lockDirectory(layout)).rejects.toThrow('EISDIR')
  await rm(layout.holder, { recursive: true })
  const lock = await lockDirectory(layout)
  await expect(lockDirectory(layout)).rejects.toMatchObject({ code: 'database_in_use' })
  lock.release()
})
