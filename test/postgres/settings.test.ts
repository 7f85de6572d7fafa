import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { diskSettings } from '#server/postgres/settings.ts'

let cluster: string
beforeAll(async () => {
  cluster = await mkdtemp(join(tmpdir(), 'xeenet-disk-'))
})
afterAll(() => rm(cluster, { recursive: true }))

const warned: string[] = []
const settings = () => diskSettings(cluster, (_, message) => warned.push(message))

test('a disk that does not tell what is free stops no start; the log is kept short, and somebody hears of it', async () => {
  expect(await settings()).toEqual({ max_wal_size: '256MB' }) // there is no log to look at
  expect(warned).toEqual([expect.stringContaining('does not tell')])
})

test('what the log has of the disk counts as free', async () => {
  await mkdir(join(cluster, 'pg_wal'))
  const segment = join(cluster, 'pg_wal', '000000010000000000000001')
  await writeFile(segment, '')
  await truncate(segment, 1024 ** 4) // with holes only
  expect(await settings()).toEqual({ max_wal_size: '8192MB' })
  expect(warned).toHaveLength(1)
})
