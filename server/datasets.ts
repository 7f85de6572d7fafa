import type { Knex } from 'knex'
import type { Instant } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import { inTransaction } from '#store/database.ts'
import { findDataset, insertDataset } from '#store/datasets.ts'
import { insertFile } from '#store/files.ts'
import { ConfigError } from './config.ts'
import { DATASET_NAMES, importDataset } from './data/import.ts'
import type { Log } from './log.ts'

/** Imports the data sets that are named and not stored yet. Throws `ConfigError` for a name that nobody knows. */
export async function importMissing(
  { knex, blobs, log, now }: { knex: Knex; blobs: Blobs; log: Log; now: () => Instant },
  names: readonly string[],
): Promise<void> {
  for (const wished of names) {
    const name = DATASET_NAMES.find(known => known === wished)
    if (name === undefined)
      throw new ConfigError(`XEENET_DATASETS: ${wished} is none of ${DATASET_NAMES.join(', ')}`)
    const stored = await findDataset(knex, name)
    if (stored !== undefined && (await allThere(blobs, stored.splits))) continue
    log.info({ dataset: name }, 'importing a data set: some seconds of counting, once')
    const { manifest, files } = await importDataset(name)
    for (const bytes of files.values()) await blobs.put(bytes)
    await inTransaction(knex, async trx => {
      for (const [sha256, bytes] of files)
        await insertFile(trx, { sha256, bytes: bytes.length, kind: 'data', now: now() })
      await insertDataset(trx, manifest, now())
    })
  }
}

// A data directory may be new while the database is not.
async function allThere(
  blobs: Blobs,
  splits: readonly { sha256: Parameters<Blobs['has']>[0] }[],
): Promise<boolean> {
  const there = await Promise.all(splits.map(split => blobs.has(split.sha256)))
  return there.every(Boolean)
}
