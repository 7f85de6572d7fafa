import { createWriteStream } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type pg from 'pg'
import { create } from 'tar'
import { type Instant, toWire } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import {
  countRows,
  type DumpedTable,
  inLongTransaction,
  readFileRows,
  readSequences,
  readServer,
  readTables,
  tableOut,
} from '#store/dump.ts'
import type { Config } from '../config.ts'
import { openFiles } from '../files.ts'
import { secretsDirectory } from '../secrets.ts'
import { type Entry, entryOf, FORMAT, type Manifest } from './manifest.ts'

interface BackupOptions {
  readonly config: Config
  readonly connectionString: string
  readonly file: string
  readonly version: string
  readonly now: () => Instant
}

/**
 * Writes everything that makes a server into one tar: the database as of one moment, the files it knows, and its secrets. The server
 * may run meanwhile. The file is there completely or not at all, and only we can read it.
 */
export async function backUp({
  config,
  connectionString,
  file,
  version,
  now,
}: BackupOptions): Promise<Manifest> {
  const staging = `${file}.partial`
  await rm(staging, { recursive: true, force: true })
  for (const folder of ['tables', 'files', 'secrets'])
    await mkdir(join(staging, folder), { recursive: true, mode: 0o700 })
  try {
    const secrets = await saveSecrets(config, staging)
    const manifest = await inLongTransaction(connectionString, 'read', async client => {
      const server = await readServer(client) // the moment of the snapshot
      const createdAt = toWire(now())
      const files = await saveFiles(client, await openFiles(config), staging)
      const tables: Manifest['tables'] = []
      for (const table of await readTables(client)) tables.push(await saveTable(client, table, staging))
      const sequences = await readSequences(client)
      return { format: FORMAT, version, createdAt, ...server, tables, sequences, ...files, secrets } as const
    })
    await writeFile(join(staging, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`)
    await pack(staging, file)
    return manifest
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

async function saveSecrets({ dataDir, secretFile }: Config, staging: string): Promise<Entry[]> {
  const directory = secretsDirectory(dataDir)
  const kept = (await readdir(directory, { withFileTypes: true })).filter(entry => entry.isFile())
  const sources = new Map(kept.map(({ name }) => [name, join(directory, name)]))
  sources.set(SERVER_SECRET, secretFile)
  const entries: Entry[] = []
  for (const [name, source] of sources) {
    await copyFile(source, join(staging, 'secrets', name))
    entries.push(await entryOf(staging, `secrets/${name}`))
  }
  return entries
}

/** Under which the server's secret is in a backup, wherever it was. */
export const SERVER_SECRET = 'server.secret'

/** Files never change: a second name for each is a copy, and stays when the server forgets its own. */
async function saveFiles(
  client: pg.Client,
  blobs: Blobs,
  staging: string,
): Promise<Pick<Manifest, 'files' | 'gone'>> {
  const rows = await readFileRows(client)
  const gone: string[] = []
  const files: Entry[] = []
  for (const { sha256, bytes } of rows) {
    const source = await blobs.local(sha256)
    const saved = source !== undefined && (await linkOrCopy(source, join(staging, 'files', sha256)))
    if (saved) files.push({ path: `files/${sha256}`, bytes, sha256 })
    else gone.push(sha256)
  }
  return { files, gone }
}

/** False when there is no such file (any more). */
async function linkOrCopy(source: string, to: string): Promise<boolean> {
  try {
    await link(source, to).catch(error =>
      codeOf(error) === 'ENOENT' ? Promise.reject(error) : copyFile(source, to),
    )
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

async function saveTable(
  client: pg.Client,
  table: DumpedTable,
  staging: string,
): Promise<Manifest['tables'][number]> {
  const path = `tables/${table.name}.gz`
  // The fastest level: rows of JSON halve their size by it already.
  await pipeline(tableOut(client, table), createGzip({ level: 1 }), createWriteStream(join(staging, path)))
  return { ...table, rows: await countRows(client, table), entry: await entryOf(staging, path) }
}

async function pack(staging: string, file: string): Promise<void> {
  const temporary = `${file}.new`
  const stream = createWriteStream(temporary, { mode: 0o600 })
  await pipeline(
    create({ cwd: staging, portable: true, noMtime: true }, ['manifest.json', 'tables', 'files', 'secrets']),
    stream,
  )
  await syncPath(temporary)
  await rename(temporary, file)
  if (process.platform !== 'win32') await syncPath(dirname(file))
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
