import type { Knex } from 'knex'
import { baselineMetric, type DatasetManifest, NO_DATA, splitOf } from '#protocol/dataset.ts'
import type { Instant } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import { inTransaction } from '#store/database.ts'
import { findDataset, insertDataset, readCompressor, setCompressor, setFloor } from '#store/datasets.ts'
import { findFile, insertFile } from '#store/files.ts'
import { setHiddenText } from '#store/hidden.ts'
import { ConfigError } from './config-sources.ts'
import {
  DATASET_NAMES,
  type ImportedDataset,
  importDataset,
  importMarkov,
  isDatasetName,
  MARKOV_NAME,
} from './data/import.ts'
import type { Log } from './log.ts'
import { OperatorError } from './operator.ts'

/** Where data sets are kept. */
export interface DatasetStore {
  readonly knex: Knex
  readonly blobs: Blobs
  readonly now: () => Instant
}

/** Imports the data sets that are named and not stored yet. Throws `ConfigError` for a name that nobody knows. */
export async function importMissing(
  { log, secret, ...store }: DatasetStore & { readonly log: Log; readonly secret: string },
  names: readonly string[],
): Promise<void> {
  for (const wished of [NO_DATA, ...names]) {
    const name = [...DATASET_NAMES, MARKOV_NAME].find(known => known === wished)
    if (name === undefined)
      throw new ConfigError(
        `XEENET_DATASETS: ${wished} is none of ${[...DATASET_NAMES, MARKOV_NAME].join(', ')}`,
      )
    const stored = await findDataset(store.knex, name)
    if (stored !== undefined && (await isWhole(store, stored))) continue
    log.info({ dataset: name }, 'importing a data set: some seconds of counting, once')
    await put(store, isDatasetName(name) ? await importDataset(name) : await importMarkov(secret))
  }
}

/**
 * Stores a data set that an operator made. A name and version that exist keep what they name: the same data set is known,
 * another one is refused (`OperatorError`).
 */
export async function storeDataset(
  store: DatasetStore,
  imported: ImportedDataset,
): Promise<'imported' | 'known'> {
  const { name, version, sha256 } = imported.manifest
  const wished = `${name}@${version}`
  const before = await findDataset(store.knex, wished)
  const isOther = before !== undefined && before.sha256 !== sha256
  if (!isOther && !isDatasetName(wished)) await put(store, imported)
  const stored = await findDataset(store.knex, wished)
  if (stored?.sha256 === sha256) return before === undefined ? 'imported' : 'known'
  const what = isDatasetName(wished)
    ? 'comes with this program'
    : 'is stored with other bytes, source or licence'
  throw new OperatorError(
    'version_taken',
    `${wished} ${what}`,
    'A version names one data set for ever: give this one a new version.',
  )
}

/**
 * Makes a text of the operator's the hidden text of a data set, in place of the one that it had: weights that are looked at are
 * evaluated on it as well. It must not be longer than val, so that evaluating fits the fuel of the run, and nothing that
 * anybody can download. @throws OperatorError
 */
export async function hideText(
  { knex, blobs, now }: DatasetStore,
  name: string,
  text: Uint8Array,
): Promise<void> {
  const dataset = await findDataset(knex, name)
  if (dataset === undefined)
    throw new OperatorError('data_unknown', `there is no data set ${name}`, 'xeenet admin dataset list')
  if (baselineMetric(dataset) !== 'val_bpb')
    throw new OperatorError('hidden_text_unfit', `${name} is no text`, 'Only texts have a hidden text.')
  const { bytes: most } = splitOf(dataset, 'val')
  if (text.length < HIDDEN_BYTES_MIN || text.length > most)
    throw new OperatorError(
      'hidden_text_unfit',
      `the text has ${text.length} bytes`,
      `Give between ${HIDDEN_BYTES_MIN} and ${most} bytes, of the kind that val is of, from where nobody looks.`,
    )
  const sha256 = await blobs.put(text)
  const known = await findFile(knex, sha256)
  if (known !== undefined && known.kind !== 'hidden')
    throw new OperatorError(
      'hidden_text_public',
      'this text is a file that anybody can read',
      'Give another one.',
    )
  await inTransaction(knex, async trx => {
    await insertFile(trx, { sha256, bytes: text.length, kind: 'hidden', now: now() })
    await setHiddenText(trx, { datasetSha256: dataset.sha256, sha256, now: now() })
  })
}

// Less says little about a model.
const HIDDEN_BYTES_MIN = 256

/** Files first, so that what a manifest names is there. */
async function put(
  { knex, blobs, now }: DatasetStore,
  { manifest, files, hidden, floor, compressor }: ImportedDataset,
): Promise<void> {
  for (const bytes of files.values()) await blobs.put(bytes)
  const hiddenSha256 = hidden === undefined ? undefined : await blobs.put(hidden)
  await inTransaction(knex, async trx => {
    for (const [sha256, bytes] of files)
      await insertFile(trx, { sha256, bytes: bytes.length, kind: 'data', now: now() })
    await insertDataset(trx, manifest, now())
    if (floor !== undefined) await setFloor(trx, manifest.sha256, floor)
    if (compressor !== undefined) await setCompressor(trx, manifest.sha256, compressor)
    if (hidden === undefined || hiddenSha256 === undefined) return
    await insertFile(trx, { sha256: hiddenSha256, bytes: hidden.length, kind: 'hidden', now: now() })
    await setHiddenText(trx, { datasetSha256: manifest.sha256, sha256: hiddenSha256, now: now() })
  })
}

// A data directory may be new while the database is not, or the database older than what is kept of a text.
async function isWhole({ knex, blobs }: DatasetStore, dataset: DatasetManifest): Promise<boolean> {
  const there = await Promise.all(dataset.splits.map(split => blobs.has(split.sha256)))
  if (!there.every(Boolean)) return false
  return baselineMetric(dataset) !== 'val_bpb' || (await readCompressor(knex, dataset.sha256)) !== null
}
