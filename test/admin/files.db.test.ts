import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Sha256 } from '#protocol/units.ts'
import { backUp } from '#server/backup/backup.ts'
import { restoreDirectory, unpack } from '#server/backup/restore.ts'
import { type Config, readConfig } from '#server/config.ts'
import { examineServer } from '#server/doctor.ts'
import { copyFiles, openFiles } from '#server/files.ts'
import { openSecrets } from '#server/secrets.ts'
import { settleOnce } from '#store/settings.ts'
import { type Stock, sha256, stock, T0 } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'
import { type Storage, startStorage } from '#support/storage.ts'

let folder: string
let database: TestDatabase
let stocked: Stock
let storage: Storage
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xeenet-files-'))
  database = await freshDatabase()
  stocked = await stock(database.knex, join(folder, 'files'))
  storage = await startStorage(join(folder, 'storage'))
})
afterAll(async () => {
  await storage.kill()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const configOf = (settings: Record<string, string> = {}): Config =>
  readConfig({ XEENET_DATA_DIR: folder, ...settings })
const found = async (config: Config) => {
  const checks = await examineServer({ config, knex: database.knex, why: '', now: () => T0 })
  return checks.find(({ name }) => name === 'files')
}

test('a server moves from its directory into a bucket: the doctor tells what is missing, until it is copied', async () => {
  const { knex } = database
  expect(await found(configOf())).toMatchObject({ ok: true })
  const config = configOf(storage.env)
  expect(await found(config)).toMatchObject({
    ...{ ok: false, found: expect.stringContaining('3 of the newest 100 are missing in http') },
    remedy: expect.stringContaining('xeenet admin files copy'),
  })
  const to = await openFiles(config)
  expect(await copyFiles(knex, { from: stocked.blobs, to })).toEqual({ there: 0, copied: 3, missing: 0 })
  expect(await found(config)).toMatchObject({ ok: true })
  expect(await copyFiles(knex, { from: stocked.blobs, to })).toEqual({ there: 3, copied: 0, missing: 0 })
  const hash = sha256(stocked.train)
  const path = (await stocked.blobs.local(hash))!
  await to.remove(hash)
  await writeFile(path, 'damaged')
  expect(await copyFiles(knex, { from: stocked.blobs, to })).toEqual({ there: 2, copied: 0, missing: 1 })
  expect(await to.has(hash)).toBe(false)
  await writeFile(path, stocked.train)
})

test('a backup has the files of a bucket; restored, they are in the bucket again', async () => {
  const config = configOf(storage.env)
  const blobs = await openFiles(config)
  await copyFiles(database.knex, { from: stocked.blobs, to: blobs })
  const hash = await blobs.put(stocked.train)
  await openSecrets(config)
  await settleOnce(database.knex, 'server_id', 'test')
  const { connectionString } = database
  const file = join(folder, 'backup.tar')
  const made = await backUp({ config, connectionString, file, version: 'test', now: () => T0 })
  expect(made).toMatchObject({ files: { length: 3 }, gone: [] })
  for (const { sha256 } of made.files) await blobs.remove(Sha256.parse(sha256))
  expect(await blobs.local(hash)).toBeUndefined()
  const { directory, manifest, discard } = await unpack(file, folder)
  await restoreDirectory(config, directory, manifest)
  await discard()
  expect(await found(config)).toMatchObject({ ok: true })
  expect(await readFile((await blobs.local(hash))!)).toEqual(Buffer.from(stocked.train))
})

test('the doctor says why a bucket cannot be used, and what to do', async () => {
  const wrong = { ...storage.env, XEENET_S3_SECRET_KEY: 'else' }
  expect(await found(configOf(wrong))).toMatchObject({
    ...{ ok: false, found: expect.stringContaining('SignatureDoesNotMatch') },
    remedy: expect.stringContaining('XEENET_S3_SECRET_KEY'),
  })
})
