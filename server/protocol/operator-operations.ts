import { type Operation, page } from './operation.ts'

const at = '/api/v1/operator'
const user = { security: 'user' } as const
const filter = [
  ...['workUnitId', 'campaignId', 'ownerId', 'kernel', 'engineClass', 'hostId', 'state', 'error'],
  'olderThanHours',
]

/** What only operators may see and do: a token of scope admin, or an operator's session. */
export const OPERATOR_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'get', path: `${at}/symptoms`, ...user, reply: 'SymptomsView' },
    summary: 'What is wrong, the worst first, and the figures behind it',
  },
  {
    ...{ method: 'get', path: `${at}/errors`, ...user, reply: 'ErrorsView', query: ['hours'] },
    summary: 'Errors by kind, kernel and engine class',
  },
  {
    ...{ method: 'get', path: `${at}/results`, ...user, reply: 'ResultRows', query: [...page, ...filter] },
    summary: 'The results behind a number, newest first',
  },
  {
    ...{ method: 'get', path: `${at}/hosts`, ...user, reply: 'HostRows' },
    ...{ summary: 'Hosts, newest first', query: [...page, 'state', 'sinceHours', 'q'] },
  },
  {
    ...{ method: 'get', path: `${at}/suspects`, ...user, reply: 'SuspectList', query: ['days', 'all'] },
    summary: 'Hosts that lie far from their peers, the most suspicious first',
  },
  {
    ...{ method: 'get', path: `${at}/appeals`, ...user, reply: 'AppealList', query: ['all'] },
    summary: 'What volunteers say about their exclusions, oldest first',
  },
  {
    ...{ method: 'get', path: `${at}/alerts`, ...user, reply: 'AlertList', query: ['all'] },
    summary: 'Invariants that did not hold, newest first',
  },
  {
    ...{ method: 'get', path: `${at}/letters`, ...user, reply: 'LetterList' },
    summary: 'Wake-ups that failed on every retry, the latest first',
  },
  {
    ...{ method: 'get', path: `${at}/users`, ...user, reply: 'UserRows' },
    ...{ summary: 'Accounts, newest first', query: [...page, 'q', 'sinceHours'] },
  },
  {
    ...{ method: 'get', path: `${at}/limits`, ...user, reply: 'LimitsView' },
    summary: 'Limits, how much of them is used, and which setting changes them',
  },
  {
    ...{ method: 'post', path: `${at}/preview`, ...user, body: 'PreviewBody', reply: 'PreviewView' },
    summary: 'What an act would touch, and the token that lets it be done',
  },
  {
    ...{ method: 'get', path: `${at}/acts`, ...user, reply: 'ActList' },
    ...{ summary: 'The audit log, newest first', query: [...page, 'kind', 'by', 'subject'] },
  },
  {
    ...{ method: 'post', path: `${at}/acts`, ...user, body: 'ActBody', reply: 'ActView', status: 201 },
    summary: 'Do what was previewed, with a reason; the same token again is answered the same',
  },
  {
    ...{ method: 'post', path: `${at}/acts/{id}/undo`, ...user, body: 'UndoBody', reply: 'ActView' },
    ...{ summary: 'Take an act back, within ten minutes', status: 201 },
  },
]
