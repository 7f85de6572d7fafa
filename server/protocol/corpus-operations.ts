import { type Operation, page } from './operation.ts'

/** What is public of everybody's runs, and files of it. */
export const CORPUS_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/api/v1/corpus/explore', reply: 'ExploreView' },
    summary: 'Runs of a kernel that fit conditions, as rows or in groups with median, mean and n',
    query: ['kernel', 'data', 'campaign', 'status', 'rung', 'where', 'group', ...page],
  },
  {
    ...{ method: 'get', path: '/api/v1/corpus', reply: 'CorpusList' },
    summary: 'Published runs of everybody, newest first, failures included',
    query: [
      ...[...page, 'kernel', 'data', 'campaign', 'status', 'rung', 'since', 'metric_min', 'metric_max'],
    ],
  },
  {
    ...{ method: 'get', path: '/api/v1/corpus/similar', reply: 'SimilarView' },
    summary: 'What was tried that is most like a recipe, and how new that is',
    query: ['kernel', 'data', 'recipe', 'limit'],
  },
  {
    ...{ method: 'get', path: '/api/v1/corpus/{id}', reply: 'CorpusView' },
    summary: 'One published run with its curve, and what was withdrawn of it',
  },
  {
    ...{ method: 'get', path: '/api/v1/science', reply: 'ScienceList' },
    summary: 'The best configurations of each kernel, data set and budget over all campaigns, with baselines',
    query: [...page, 'rows', 'board', 'kernel', 'data'],
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/agreement', reply: 'AgreementView' },
    summary: 'Of a study: what was claimed, and whether it came out again',
  },
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
