import type { Operation } from './operation.ts'

/** What is public of everybody's runs, and files of it. */
export const CORPUS_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/exports', reply: 'ExportView' },
    summary: 'Have files made of its published runs: CSV, NDJSON, Parquet, and a manifest',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/exports', reply: 'ExportList' },
    summary: 'Its exports, newest first',
  },
  {
    ...{ method: 'post', path: '/api/v1/corpus/exports', body: 'ExportBody', reply: 'ExportView' },
    summary: 'Have files made of everything that was published in a month',
  },
  {
    ...{ method: 'get', path: '/api/v1/exports/{id}', reply: 'ExportView' },
    summary: 'How far an export is, and its files by their hashes',
  },
]
