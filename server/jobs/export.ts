import { createHash, randomUUID } from 'node:crypto'
import {
  CORPUS_COLUMNS,
  type Column,
  csvHeader,
  csvLine,
  ndjsonLine,
  recipeColumns,
} from '#domain/corpus-table.ts'
import { EXPORT_TYPE } from '#domain/exports.ts'
import type { CorpusRow } from '#protocol/corpus.ts'
import { type ExportFile, ExportFormat, type ExportScope } from '#protocol/exports.ts'
import { EXPORT_BYTES_MAX, EXPORTS_KEPT } from '#protocol/limits.ts'
import { addMs, type ExportId, type Instant, Sha256 } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import { readCorpusPage, usedIn } from '#store/corpus-rows.ts'
import { inSnapshot, inTransaction, type Trx } from '#store/database.ts'
import { datasetsByHash } from '#store/datasets.ts'
import { type ExportState, readExportState } from '#store/export-state.ts'
import {
  completeExport,
  type ExportRow,
  failExport,
  findExport,
  forgetExports,
  listUnbuilt,
  lockExportFiles,
  namedFiles,
} from '#store/exports.ts'
import { kernelsByHash } from '#store/kernels.ts'
import type { JobDeps } from './deps.ts'
import { manifestOf } from './export-manifest.ts'
import { parquetOf } from './parquet.ts'

type Deps = Pick<JobDeps, 'knex' | 'blobs' | 'now' | 'log' | 'trust'>

/**
 * Builds exports one after the other, each from one moment of the database. Files are written aside and get their names, and the
 * export its files, at the very end: killed before, nothing is left but a part that the next start sweeps; run twice, the second
 * run finds it built.
 */
export async function runExport(deps: Deps, ids: readonly ExportId[]): Promise<void> {
  for (const id of ids) await buildOne(deps, id)
}

async function buildOne(deps: Deps, id: ExportId): Promise<void> {
  const asked = await findExport(deps.knex, id)
  if (asked === undefined || !isOpen(asked)) return
  const uploads: Upload[] = []
  try {
    const built = await inSnapshot(deps.knex, trx => write(trx, deps, asked, uploads))
    await inTransaction(deps.knex, trx => publish(trx, deps, { id, uploads, built }))
  } finally {
    for (const { upload } of uploads) await deps.blobs.discard(upload)
  }
}

const isOpen = ({ builtAt, failedAt }: ExportRow): boolean => builtAt === null && failedAt === null

/** A file that is written and has no name yet. */
interface Upload extends ExportFile {
  readonly upload: string
}

interface Built {
  readonly stateSha256: Sha256
  readonly rows: number
}

// A row group of Parquet: some megabytes in memory.
const ROWS_PER_BATCH = 2_000

/** Writes all files of an export aside, the manifest last; `too_large` when one would be larger than any may be. */
async function write(
  trx: Trx,
  { blobs, trust }: Deps,
  asked: ExportRow,
  uploads: Upload[],
): Promise<Built | 'too_large'> {
  const scope: ExportScope =
    asked.campaignId === null ? { period: asked.scope } : { campaignId: asked.campaignId }
  const state = await readExportState(trx, scope, trust)
  if (state === undefined) throw new Error(`${asked.scope} was exported and is not there`)
  const columns = await columnsOf(trx, state)
  const { rows, stateSha256 } = state
  const stem = asked.campaignId ?? `corpus-${asked.scope}`
  const facts = { type: EXPORT_TYPE, scope: asked.scope, stateSha256 }
  for (const format of ExportFormat.options) {
    const chunks = {
      csv: () => encoded(csvOf(columns, batchesOf(trx, state))),
      ndjson: () => encoded(ndjsonOf(batchesOf(trx, state))),
      parquet: () => parquetOf(batchesOf(trx, state), columns, facts),
    }[format]
    const file = await fill(blobs, { name: `${stem}.${format}`, format, chunks: chunks() })
    if (file === 'too_large') return 'too_large'
    uploads.push(file)
  }
  const used = await usedIn(trx, state)
  const datasets = await datasetsByHash(trx, [...new Set(used.map(({ data }) => data))])
  const manifest = manifestOf({ scope, state, columns, datasets, files: uploads, asOf: asked.requestedAt })
  const chunks = encoded([`${JSON.stringify(manifest, null, 2)}\n`])
  const file = await fill(blobs, { name: 'manifest.json', format: 'manifest', chunks })
  if (file === 'too_large') return 'too_large'
  uploads.push(file)
  return { rows, stateSha256 }
}

/** A campaign has one kernel, whose parameters get a column each; a month has many. */
async function columnsOf(trx: Trx, { campaign }: ExportState): Promise<readonly Column[]> {
  if (campaign === null) return CORPUS_COLUMNS
  const [kernel] = await kernelsByHash(trx, [campaign.kernelSha256])
  return kernel === undefined ? CORPUS_COLUMNS : [...CORPUS_COLUMNS, ...recipeColumns(kernel.manifest)]
}

async function* batchesOf(trx: Trx, state: ExportState): AsyncGenerator<readonly CorpusRow[]> {
  const { campaignId, from, until, withheld } = state
  for (let after = ''; ; ) {
    const page = { campaignId, from, until, withheld, after, limit: ROWS_PER_BATCH }
    const batch = await readCorpusPage(trx, page)
    if (batch.length > 0) yield batch
    const last = batch.at(-1)
    if (last === undefined || batch.length < ROWS_PER_BATCH) return
    after = last.workUnitId
  }
}

async function* csvOf(
  columns: readonly Column[],
  batches: AsyncIterable<readonly CorpusRow[]>,
): AsyncGenerator<string> {
  yield csvHeader(columns)
  for await (const batch of batches) yield batch.map(row => csvLine(columns, row)).join('')
}

async function* ndjsonOf(batches: AsyncIterable<readonly CorpusRow[]>): AsyncGenerator<string> {
  for await (const batch of batches) yield batch.map(ndjsonLine).join('')
}

async function* encoded(texts: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of texts) yield Buffer.from(text)
}

interface NewFile extends Pick<ExportFile, 'name' | 'format'> {
  readonly chunks: AsyncIterable<Uint8Array>
}

async function fill(blobs: Blobs, { name, format, chunks }: NewFile): Promise<Upload | 'too_large'> {
  const upload = `export.${randomUUID()}` // of this attempt alone
  const hash = createHash('sha256')
  const hashed = async function* () {
    for await (const chunk of chunks) {
      hash.update(chunk)
      yield chunk
    }
  }
  const bytes = await blobs.fill(upload, hashed(), EXPORT_BYTES_MAX).catch(async (error: unknown) => {
    await blobs.discard(upload) // a disk that is full must not fill further with each attempt
    throw error
  })
  return bytes === 'too_large'
    ? bytes
    : { name, format, bytes, upload, sha256: Sha256.parse(hash.digest('hex')) }
}

interface Finished {
  readonly id: ExportId
  readonly uploads: readonly Upload[]
  readonly built: Built | 'too_large'
}

async function publish(trx: Trx, { blobs, now, log }: Deps, { id, uploads, built }: Finished): Promise<void> {
  await lockExportFiles(trx)
  const asked = await findExport(trx, id)
  if (asked === undefined || !isOpen(asked)) return // another process was faster
  if (built === 'too_large') {
    const detail = `a file would have more than ${EXPORT_BYTES_MAX} bytes: export its campaigns one by one`
    await failExport(trx, { id, detail, now: now() })
    return
  }
  for (const { upload, sha256 } of uploads) {
    const stored = await blobs.finish(upload, sha256)
    if (stored !== 'stored')
      throw new Error(`the disk gave back other bytes than were written to it: ${upload}`)
  }
  const files = uploads.map(({ upload: _, ...file }) => file)
  await completeExport(trx, { id, ...built, files, now: now() })
  log.info({ export: id, scope: asked.scope, rows: built.rows }, 'an export was built')
}

const LOST_MS = 60_000
// Whoever has just read the view of an export may still be downloading it.
const FORGOTTEN_MS = 24 * 3600_000
const PER_SWEEP = 100

/** Asks again for exports that nobody built: their request got lost. Forgets old ones, with their files. Gives how many were lost. */
export async function sweepExports({
  knex,
  blobs,
  now,
  enqueue,
}: Pick<JobDeps, 'knex' | 'blobs' | 'now' | 'enqueue'>): Promise<number> {
  const at = now()
  await forgetOld(knex, blobs, at)
  return inTransaction(knex, async trx => {
    const lost = await listUnbuilt(trx, { before: addMs(at, -LOST_MS), limit: PER_SWEEP })
    await enqueue(trx, 'export', lost)
    return lost.length
  })
}

/** The rows go first: killed in between, a file is left that nothing names, and no row that names a file which is not there. */
async function forgetOld(knex: JobDeps['knex'], blobs: Blobs, now: Instant): Promise<void> {
  const forgotten = await inTransaction(knex, async trx => {
    await lockExportFiles(trx)
    return forgetExports(trx, { keep: EXPORTS_KEPT, before: addMs(now, -FORGOTTEN_MS), limit: PER_SWEEP })
  })
  if (forgotten.length === 0) return
  await inTransaction(knex, async trx => {
    await lockExportFiles(trx)
    const again = await namedFiles(trx, forgotten)
    for (const sha256 of forgotten) if (!again.has(sha256)) await blobs.remove(sha256)
  })
}
