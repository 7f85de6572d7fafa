import { z } from 'zod'
import { DatasetManifest } from '#protocol/dataset.ts'
import type { Instant } from '#protocol/units.ts'
import { type Executor, execute, select, selectFirst, toDb } from './rows.ts'

const DatasetRow = z.object({ manifest: DatasetManifest })

const SELECT = `select manifest from datasets`

export async function listDatasets(on: Executor): Promise<DatasetManifest[]> {
  const rows = await select(on, DatasetRow, `${SELECT} order by name, version`)
  return rows.map(row => row.manifest)
}

export async function datasetsByHash(on: Executor, hashes: readonly string[]): Promise<DatasetManifest[]> {
  const rows = await select(on, DatasetRow, `${SELECT} where sha256 = any(:hashes)`, { hashes })
  return rows.map(row => row.manifest)
}

/** @param name of the form name@version */
export async function findDataset(on: Executor, name: string): Promise<DatasetManifest | undefined> {
  const [stem = '', version = ''] = name.split('@')
  const bindings = { stem, version: Number(version) }
  const row = await selectFirst(
    on,
    DatasetRow,
    `${SELECT} where name = :stem and version = :version`,
    bindings,
  )
  return row?.manifest
}

const INSERT = `
  insert into datasets (sha256, name, version, manifest, imported_at)
  values (:sha256, :name, :version, :manifest, :now)
  on conflict do nothing`

/** Adds a data set whose files are stored already; does nothing when this name and version exist. */
export async function insertDataset(on: Executor, manifest: DatasetManifest, now: Instant): Promise<void> {
  const { sha256, name, version } = manifest
  await execute(on, INSERT, { sha256, name, version, manifest: JSON.stringify(manifest), now: toDb(now) })
}

const SET_FLOOR = `update datasets set metric_floor = :floor where sha256 = :sha256`

/** Writes down which metric of val nobody reaches who computes as asked. */
export const setFloor = (on: Executor, sha256: string, floor: number): Promise<number> =>
  execute(on, SET_FLOOR, { sha256, floor })

const COMPRESSOR = `select compressor_bits as bits from datasets where sha256 = :sha256`

/** Bits per byte of val by a compressor that knows train; null where nobody has measured it. */
export const readCompressor = async (on: Executor, sha256: string): Promise<number | null> =>
  (await selectFirst(on, z.object({ bits: z.number().nullable() }), COMPRESSOR, { sha256 }))?.bits ?? null

const SET_COMPRESSOR = `update datasets set compressor_bits = :bits where sha256 = :sha256`

export const setCompressor = (on: Executor, sha256: string, bits: number): Promise<number> =>
  execute(on, SET_COMPRESSOR, { sha256, bits })
