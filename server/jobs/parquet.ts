import type { SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { CORPUS_COLUMNS, type Column } from '#domain/corpus-table.ts'
import type { CorpusRow } from '#protocol/corpus.ts'

type Type = Column['type']

// JSON is kept as the text that the other formats have: a reader of Parquet need not know the type.
const TYPES: Readonly<Record<Type, Pick<SchemaElement, 'type' | 'converted_type'>>> = {
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  json: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  integer: { type: 'INT64' },
  number: { type: 'DOUBLE' },
  instant: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
}

/**
 * The bytes of a Parquet file of these rows, a row group a batch, as they come; `facts` are kept as its key-value metadata. Columns
 * that may be empty are optional, all others required.
 */
export async function* parquetOf(
  rows: AsyncIterable<readonly CorpusRow[]>,
  columns: readonly Column[] = CORPUS_COLUMNS,
  facts: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const bytes = new ByteWriter()
  const file = new ParquetWriter({
    writer: bytes,
    schema: [{ name: 'runs', num_children: columns.length }, ...columns.map(elementOf)],
    kvMetadata: Object.entries(facts).map(([key, value]) => ({ key, value })),
    createdBy: 'xeenet',
  })
  for await (const batch of rows) {
    if (batch.length === 0) continue
    const columnData = columns.map(column => ({ name: column.name, data: batch.map(parquetValue(column)) }))
    file.write({ columnData, rowGroupSize: batch.length })
    yield taken(bytes)
  }
  file.finish()
  yield taken(bytes)
}

const elementOf = ({ name, type, nullable }: Column): SchemaElement => ({
  ...{ name, ...TYPES[type] },
  repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED',
})

const parquetValue =
  ({ type, cell }: Column) =>
  (row: CorpusRow): string | number | bigint | Date | null => {
    const value = cell(row)
    if (value === null) return null
    if (type === 'instant') return new Date(value)
    return type === 'integer' ? BigInt(value) : value
  }

/** What was written since the last time. The writer goes on counting offsets from the start of the file. */
function taken(bytes: ByteWriter): Uint8Array<ArrayBuffer> {
  const chunk = new Uint8Array(bytes.buffer, 0, bytes.index).slice()
  bytes.index = 0
  return chunk
}
