import type { Result, ResultState, Verdict, WorkUnit, WorkUnitState } from '#domain/types.ts'
import {
  addMs,
  CampaignId,
  ExperimentId,
  HostId,
  type Instant,
  instant,
  ResultId,
  WorkUnitId,
} from '#protocol/units.ts'

export const NOW: Instant = instant(Date.UTC(2026, 10, 22, 12))
export const MINUTE = 60_000
export const DEADLINE_MS = 10 * MINUTE
const GRACE_MS = 5 * MINUTE
export const GIVE_UP_MS = 60 * MINUTE

const numbered = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(26, '0')}`
export const resultId = (n: number): ResultId => ResultId.parse(numbered('r', n))
export const hostId = (n: number): HostId => HostId.parse(numbered('h', n))
export const campaignId = (n: number): CampaignId => CampaignId.parse(numbered('c', n))

type Parameters = Partial<Omit<Extract<WorkUnit, { state: 'open' }>, 'state'>> & { quorum?: number }

/** An open work unit of a fixed quorum 2, at most 3 errors, 6 successes and 10 results, unless told otherwise. */
export function workUnit(
  { quorum = 2, ...given }: Parameters = {},
  state: WorkUnitState = { state: 'open' },
): WorkUnit {
  return {
    id: WorkUnitId.parse(numbered('w', 1)),
    campaignId: campaignId(1),
    experimentId: ExperimentId.parse(numbered('e', 1)),
    engineClass: 'wasm',
    policy: 'fixed',
    disputed: false,
    check: 'none',
    canary: false,
    auditedAt: null,
    minQuorum: quorum,
    targetResults: quorum,
    maxErrorResults: 3,
    maxTotalResults: 10,
    maxSuccessResults: 6,
    deadlineMs: DEADLINE_MS,
    graceMs: GRACE_MS,
    giveUpMs: GIVE_UP_MS,
    fuelMax: 1_000_000_000,
    ...given,
    ...state,
  }
}

/**
 * Results from a line of letters, numbered from 1: U unsent, u unsent for too long, P in progress, L in progress past its deadline,
 * S a pending success, V a valid, I an invalid, Q an inconclusive one, E error, B given back, N no reply in grace, O no reply out of
 * grace, X not needed, C cancelled in grace, D cancelled out of grace. `!` after a letter: of a trusted host; `?`: a check; `+`: of a
 * proven host; `r`, `v` after `S`: a check by another owner, or by the verifier, was drawn.
 */
export function parseResults(line: string): Result[] {
  return line
    .split(' ')
    .filter(word => word !== '')
    .map((word, i) => ({
      id: resultId(i + 1),
      kind: word.includes('?') ? 'check' : 'replica',
      lane: word.includes('?') ? 'verifier' : 'anyone',
      attempt: 0,
      createdAt: addMs(NOW, word.startsWith('u') ? -GIVE_UP_MS : -20 * MINUTE),
      ...stateOf(word, i + 1),
    }))
}

function stateOf(word: string, n: number): ResultState {
  const holder = { hostId: hostId(n), trusted: word.includes('!'), proven: word.includes('+') }
  const draw = word.includes('r') ? 'replica' : word.includes('v') ? 'verifier' : 'none'
  const success = (verdict: Verdict): ResultState => ({
    ...{ state: 'over', outcome: 'success', verdict, draw },
    ...holder,
  })
  const lease = (deadline: Instant): ResultState => ({
    ...{ state: 'in_progress', deadline, graceUntil: addMs(deadline, GRACE_MS) },
    ...holder,
  })
  const states: Readonly<Record<string, ResultState>> = {
    U: { state: 'unsent' },
    u: { state: 'unsent' },
    P: lease(addMs(NOW, MINUTE)),
    L: lease(addMs(NOW, -MINUTE)),
    S: success('pending'),
    V: success('valid'),
    I: success('invalid'),
    Q: success('inconclusive'),
    E: { state: 'over', outcome: 'error', givenBack: false, ...holder },
    B: { state: 'over', outcome: 'error', givenBack: true, ...holder },
    N: { state: 'over', outcome: 'no_reply', graceUntil: addMs(NOW, 2 * MINUTE), ...holder },
    O: { state: 'over', outcome: 'no_reply', graceUntil: addMs(NOW, -MINUTE), ...holder },
    X: { state: 'over', outcome: 'not_needed' },
    C: { state: 'over', outcome: 'cancelled', graceUntil: addMs(NOW, 3 * MINUTE) },
    D: { state: 'over', outcome: 'cancelled', graceUntil: addMs(NOW, -MINUTE) },
  }
  const state = states[word.charAt(0)]
  if (state === undefined) throw new Error(`no such letter: ${word}`)
  return state
}
