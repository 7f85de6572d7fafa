import type { Knex } from 'knex'
import { type DatasetManifest, NO_DATA } from '#protocol/dataset.ts'
import type { Instant } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import { inTransaction } from '#store/database.ts'
import { findDataset, insertDataset, setFloor } from '#store/datasets.ts'
import { insertFile } from '#store/files.ts'
import { ConfigError } from './config.ts'
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
    if (stored !== undefined && (await allThere(store.blobs, stored.splits))) continue
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

/** Files first, so that what a manifest names is there. */
async function put(
  { knex, blobs, now }: DatasetStore,
  { manifest, files, floor }: ImportedDataset,
): Promise<void> {
  for (const bytes of files.values()) await blobs.put(bytes)
  await inTransaction(knex, async trx => {
    for (const [sha256, bytes] of files)
      await insertFile(trx, { sha256, bytes: bytes.length, kind: 'data', now: now() })
    await insertDataset(trx, manifest, now())
    if (floor !== undefined) await setFloor(trx, manifest.sha256, floor)
  })
}

// A data directory may be new while the database is not.
async function allThere(blobs: Blobs, splits: DatasetManifest['splits']): Promise<boolean> {
  const there = await Promise.all(splits.map(split => blobs.has(split.sha256)))
  return there.every(Boolean)
}
