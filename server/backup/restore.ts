import { createReadStream } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar'
import { Sha256 } from '#protocol/units.ts'
import { openDatabase } from '#store/database.ts'
import {
  inLongTransaction,
  readTables,
  refill,
  renumberTransactions,
  setSequences,
  tableIn,
} from '#store/dump.ts'
import { migrate } from '#store/migrate.ts'
import { readSetting } from '#store/settings.ts'
import type { Config } from '../config.ts'
import { openFiles } from '../files.ts'
import { OperatorError } from '../operator.ts'
import { secretsDirectory } from '../secrets.ts'
import { SERVER_SECRET } from './backup.ts'
import { checkEntries, damaged, Manifest } from './manifest.ts'

/** A backup unpacked into `directory`, with every byte checked. Throws `backup_damaged`. The caller removes it with `discard`. */
export async function unpack(
  file: string,
  beside: string,
): Promise<{ directory: string; manifest: Manifest; discard(): Promise<void> }> {
  await mkdir(beside, { recursive: true, mode: 0o700 })
  const directory = await mkdtemp(join(beside, '.restore-'))
  const discard = () => rm(directory, { recursive: true, force: true })
  try {
    await extract({ file, cwd: directory, strict: true, noChmod: true }).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw error
      throw damaged(error instanceof Error ? error.message : String(error))
    })
    const text = await readFile(join(directory, 'manifest.json'), 'utf8').catch(() => '')
    const parsed = Manifest.safeParse(text === '' ? undefined : JSON.parse(text))
    if (!parsed.success) throw damaged('it has no manifest of this format')
    await checkEntries(directory, parsed.data)
    return { directory, manifest: parsed.data, discard }
  } catch (error) {
    await discard()
    throw error
  }
}

/** Puts back secrets and files. What is there already is the same, or nothing is changed: `restore_refused`. */
export async function restoreDirectory(config: Config, directory: string, manifest: Manifest): Promise<void> {
  const places = manifest.secrets.map(({ path }) => {
    const name = path.slice('secrets/'.length)
    return {
      from: join(directory, path),
      to: name === SERVER_SECRET ? config.secretFile : join(secretsDirectory(config.dataDir), name),
    }
  })
  for (const { from, to } of places) {
    const there = await readFile(to).catch(() => undefined)
    if (there !== undefined && !there.equals(await readFile(from)))
      throw refused(`${to} belongs to another server`)
  }
  const blobs = await openFiles(config)
  for (const { path, sha256 } of manifest.files) {
    const hash = Sha256.parse(sha256)
    if (await blobs.has(hash)) continue
    const upload = `restore.${sha256}`
    await blobs.fill(upload, createReadStream(join(directory, path)), Number.MAX_SAFE_INTEGER)
    if ((await blobs.finish(upload, hash)) !== 'stored') throw damaged(`${path} has other bytes`)
  }
  for (const { from, to } of places) {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    await copyFile(from, to)
    await chmod(to, 0o600)
  }
}

/**
 * Brings an empty database to the backup's version and fills it, in one transaction: killed in the middle it is as empty as before.
 * Throws `restore_refused` where a server was ever started.
 */
export async function restoreDatabase(
  connectionString: string,
  directory: string,
  manifest: Manifest,
): Promise<{ renumbered: boolean }> {
  const knex = openDatabase({ connectionString, poolMax: 1, warn: () => undefined })
  try {
    await migrate(knex, undefined, manifest.migrations)
    if ((await readSetting(knex, 'server_id')) !== undefined) throw refused('the database is not empty')
  } finally {
    await knex.destroy()
  }
  return inLongTransaction(connectionString, 'write', async client => {
    const there = await readTables(client)
    const missing = manifest.tables.filter(({ name }) => !there.some(table => table.name === name))
    if (missing.length > 0) throw damaged(`there is no table ${missing.map(({ name }) => name).join(', ')}`)
    let renumbered = false
    await refill(client, there, async () => {
      for (const table of manifest.tables) {
        const rows = tableIn(client, table)
        await pipeline(createReadStream(join(directory, table.entry.path)), createGunzip(), rows)
        if (rows.rowCount !== table.rows)
          throw damaged(`${table.name} has ${rows.rowCount} rows, not ${table.rows}`)
      }
      renumbered = await renumberTransactions(client)
    })
    await setSequences(client, manifest.sequences)
    return { renumbered }
  })
}

const refused = (why: string): OperatorError =>
  new OperatorError(
    'restore_refused',
    why,
    'Restore into a new --data-dir, and a new database where it is not the embedded one.',
  )
