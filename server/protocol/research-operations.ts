import { type Operation, page } from './operation.ts'

/** What is learnt in a campaign, and how sure it is. */
export const RESEARCH_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/tests', reply: 'TestList' },
    summary: 'Its sequential tests, with bounds and likelihood ratio as they stand',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/interaction', reply: 'InteractionView' },
    ...{
      summary: 'Which value of a parameter is best, and whether that depends on another',
      query: ['best', 'by'],
    },
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/compare', reply: 'CompareView', query: ['a', 'b'] },
    summary: 'Two experiments on the seeds that both have',
  },
  {
    ...{ method: 'get', path: '/api/v1/experiments/{id}', reply: 'ExperimentView' },
    summary: 'One configuration: where it came from, its rank, and every result of it',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/notes', reply: 'NoteList', query: page },
    summary: 'What its agents and owner wrote down, oldest first',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/events', reply: 'EventList', query: page },
    summary: 'What happened in it, oldest first',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/wait', reply: 'WaitReply' },
    ...{
      summary: 'The same as soon as something happens, waiting up to a minute',
      query: ['cursor', 'timeout', 'limit'],
    },
  },
  {
    ...{ method: 'post', path: '/api/v1/campaigns/{id}/notes', security: 'user', body: 'NoteBody' },
    ...{ summary: 'Write a note', reply: 'NoteView', status: 201, headers: ['idempotency-key'] },
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/program.md', reply: 'text' },
    summary: 'Everything an agent needs to work in it, on one page of markdown',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/llms.txt', reply: 'text' },
    summary: 'Where to read what about it',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/search', reply: 'SearchView', query: ['limit'] },
    summary: 'What the sampler knows: the best, what was tried and what mattered',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/analysis', reply: 'AnalysisView' },
    summary: 'What verified results say: importance, slices, contour, curves, Pareto front, residuals',
    query: ['part', 'x', 'y', 'limit'],
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/report', reply: 'ReportView' },
    summary: 'The report: Markdown and figures, all files at once',
  },
  {
    ...{ method: 'get', path: '/api/v1/campaigns/{id}/report/{file}', reply: 'text' },
    summary: 'One file of the report: report.md, or a figure by its name',
  },
]
