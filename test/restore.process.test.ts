import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { restoreStory } from '#ops/restore.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

test('a server is destroyed and made again from the backup of while it ran; its volunteers go on, and nothing from before it is lost', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'xeenet-restore-'))
  folders.push(dir)
  const restored = await restoreStory({
    dir,
    file: join(import.meta.dirname, '../ops/kill.yaml'),
    accepted: 4,
    runs: 50,
  })
  expect(restored).toMatchObject({
    ...{ lost: [], sameServer: true, sound: true, workUnits: 50, unsettled: 0 },
    ...{ ledgerSum: 0, accountsWrong: 0, doubleGrants: 0, unpaidOrOverpaid: 0 },
  })
  expect(restored.before).toBeGreaterThanOrEqual(4)
  expect(restored.after).toBeGreaterThanOrEqual(4)
})
