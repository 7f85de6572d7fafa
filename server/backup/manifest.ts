import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { OperatorError } from '../operator.ts'

// A backup is a tar: manifest.json, tables/NAME.gz (COPY's text format), files/SHA256, secrets/NAME.

export const FORMAT = 'xeenet/backup/1'

const Sha256Text = z.string().regex(/^[0-9a-f]{64}$/)
// Nothing that leads out of the directory it is unpacked in.
const Entry = z.object({
  path: z.string().regex(/^(tables|files|secrets)\/[\w-][\w.-]*$/),
  bytes: z.int().min(0),
  sha256: Sha256Text,
})
export type Entry = z.infer<typeof Entry>

export const Manifest = z.object({
  format: z.literal(FORMAT),
  version: z.string(), // of the program
  createdAt: z.iso.datetime(),
  serverId: z.string(),
  migrations: z.int().min(1),
  postgres: z.string(),
  tables: z.array(
    z.object({ name: z.string(), columns: z.array(z.string()), rows: z.int().min(0), entry: Entry }),
  ),
  sequences: z.array(z.object({ name: z.string(), last: z.string().nullable() })),
  files: z.array(Entry),
  /** Files that the database knows and that were gone when they were to be read. */
  gone: z.array(Sha256Text),
  secrets: z.array(Entry),
})
export type Manifest = z.infer<typeof Manifest>

export const entriesOf = ({ tables, files, secrets }: Manifest): Entry[] => [
  ...tables.map(table => table.entry),
  ...files,
  ...secrets,
]

/** Size and hash of a file of the backup that is staged in `directory`. */
export async function entryOf(directory: string, path: string): Promise<Entry> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(directory, path)), hash)
  return { path, bytes: (await stat(join(directory, path))).size, sha256: hash.digest('hex') }
}

/** Throws `backup_damaged` unless every entry is there with its bytes. */
export async function checkEntries(directory: string, manifest: Manifest): Promise<void> {
  for (const entry of entriesOf(manifest)) {
    const found = await entryOf(directory, entry.path).catch(() => undefined)
    if (found?.sha256 === entry.sha256 && found.bytes === entry.bytes) continue
    throw damaged(found === undefined ? `${entry.path} is missing` : `${entry.path} has other bytes`)
  }
}

export const damaged = (what: string): OperatorError =>
  new OperatorError(
    'backup_damaged',
    `the backup is damaged: ${what}`,
    'Use another backup; make one every day.',
  )
