import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { expect, test } from 'vitest'
import { CORPUS_COLUMNS } from '#domain/corpus-table.ts'
import { parquetOf } from '#jobs/parquet.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { CorpusRow } from '#protocol/corpus.ts'
import { corpusRow } from '#support/corpus.ts'

async function written(batches: readonly (readonly CorpusRow[])[]): Promise<ArrayBuffer> {
  const rows = (async function* () {
    yield* batches
  })()
  return new Blob(await Array.fromAsync(parquetOf(rows, CORPUS_COLUMNS, { scope: 'a test' }))).arrayBuffer()
}

test('rows in several row groups are read back as they were, with types, nulls and the facts of the export', async () => {
  const rows = [
    corpusRow({ metricValue: -0.1, seed: 2 ** 48 - 1 }),
    corpusRow({ status: 'diverged', metricName: null, metricValue: null, curve: [], artifactSha256: null }),
    corpusRow({ answeredFrom: corpusRow().workUnitId, recipe: { act: 'gelu “ü”', lr: 1e-6 } }),
  ]
  const file = await written([rows.slice(0, 2), [], rows.slice(2)])
  const metadata = parquetMetadata(file)
  expect(metadata.row_groups.map(({ num_rows }) => Number(num_rows))).toEqual([2, 1])
  expect(metadata.key_value_metadata).toEqual([{ key: 'scope', value: 'a test' }])
  const read = await parquetReadObjects({ file })
  expect(read).toEqual(
    rows.map(row => ({
      ...row,
      ...{ seed: BigInt(row.seed), rung: 3n, fuelUsed: BigInt(row.fuelUsed), replicas: 2n },
      publishedAt: new Date(row.publishedAt),
      ...{ recipe: canonicalJson(row.recipe), limit: JSON.stringify(row.limit) },
      ...{ counters: JSON.stringify(row.counters), curve: JSON.stringify(row.curve) },
    })),
  )
})

test('a file without rows is a Parquet file', async () => {
  expect(await parquetReadObjects({ file: await written([]) })).toEqual([])
})
