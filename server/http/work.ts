import {
  type Assignment,
  candidatesFor,
  deal,
  leasesAllowed,
  type Random,
  starveAfter,
} from '#domain/dispatch.ts'
import { invariant } from '#domain/invariant.ts'
import { deadlineFor } from '#domain/transition.ts'
import { addMs, type HostId, type Instant, type ResultId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import {
  type CandidateRow,
  countOwners,
  type HeldRow,
  type LeaseRow,
  lease,
  lockCandidates,
  readHeld,
  readLeases,
} from '#store/dispatch.ts'
import type { Visit } from './visit.ts'

/** What a host is told about leases: those to compute (new, or sent again because it does not list them), and those to drop. */
export interface Work {
  readonly leases: readonly LeaseRow[]
  readonly isNew: boolean // among them is one that was not sent before
  readonly abort: readonly { resultId: ResultId; reason: string }[]
}

interface Dispatch {
  readonly now: Instant
  readonly random: Random
  readonly starveMs: number
}

/** Decides and stores the leases of a group of calls whose reports were received. */
export async function giveWork(
  trx: Trx,
  visits: readonly Visit[],
  dispatch: Dispatch,
): Promise<Map<HostId, Work>> {
  const ids = visits.flatMap(visit => visit.call.body.held.map(held => held.resultId))
  const rows = await readHeld(
    trx,
    visits.map(visit => visit.host.id),
    ids,
  )
  const standings = visits.map(visit => standingOf(visit, rows, dispatch.now))
  const again = await readLeases(
    trx,
    standings.flatMap(standing => standing.resend),
  )
  const dealt = await dealWork(trx, standings, dispatch)
  return new Map(
    standings.map(({ visit, abort }) => {
      const mine = (row: LeaseRow): boolean => row.hostId === visit.host.id
      const fresh = dealt.filter(mine)
      visit.usedToday += fresh.length
      return [visit.host.id, { leases: [...again.filter(mine), ...fresh], isNew: fresh.length > 0, abort }]
    }),
  )
}

interface Standing {
  readonly visit: Visit
  readonly held: number // leases the server knows of
  readonly resend: readonly ResultId[]
  readonly abort: readonly { resultId: ResultId; reason: string }[]
}

function standingOf(visit: Visit, rows: readonly HeldRow[], now: Instant): Standing {
  const mine = rows.filter(row => row.hostId === visit.host.id && row.state === 'in_progress')
  const listed = new Set(visit.call.body.held.map(held => held.resultId))
  // A lease whose report was refused just now is not pressed upon the host again in the same breath.
  const reported = new Set<string>(visit.reports.map(report => report.resultId))
  const resend = mine.map(row => row.resultId).filter(id => !listed.has(id) && !reported.has(id))
  const byId = new Map(rows.map(row => [row.resultId, row]))
  const abort = [...listed].flatMap(resultId => {
    const reason = whyAbort(byId.get(resultId), visit.host.id, now)
    return reason === undefined ? [] : [{ resultId, reason }]
  })
  return { visit, held: mine.length, resend, abort }
}

/** Why a host should drop a lease it lists; undefined while its report would still count. */
function whyAbort(row: HeldRow | undefined, hostId: HostId, now: Instant): string | undefined {
  if (row === undefined || row.hostId !== hostId) return 'unknown'
  if (row.state === 'in_progress') return undefined
  if (row.outcome !== 'no_reply') return row.outcome ?? 'unknown'
  const counts = row.unitOpen || (row.graceUntil !== null && now <= row.graceUntil)
  return counts ? undefined : 'too_late'
}

// An owner counts as present this long after its host was last heard.
const PRESENT_MS = 10 * 60_000
const PAGES_PER_MIB = 16

async function dealWork(trx: Trx, standings: readonly Standing[], dispatch: Dispatch): Promise<LeaseRow[]> {
  const asking = standings.flatMap(({ visit, held, resend }): Wish[] => {
    const take = leasesAllowed({ ...termsOf(visit), held, resent: resend.length })
    return take === 0 || visit.selfTest === 'demanded' ? [] : [{ visit, take, offset: 0 }]
  })
  if (asking.length === 0) return []
  const starvedBefore = await starvedBy(trx, asking, dispatch)
  const first = queue(asking)
  const dealt = await dealOnce(trx, first, starvedBefore, dispatch)
  // What the hosts before could not use is left for those that skipped it.
  const unmet = first.flatMap((wish): Wish[] => {
    const take = wish.take - dealt.filter(d => d.hostId === wish.visit.host.id).length
    return take > 0 && wish.offset > 0 ? [{ ...wish, take, offset: 0 }] : []
  })
  return unmet.length === 0 ? dealt : [...dealt, ...(await dealOnce(trx, unmet, starvedBefore, dispatch))]
}

/** A host that may be given `take` results, and leaves the first `offset` to others of its group. */
interface Wish {
  readonly visit: Visit
  readonly take: number
  readonly offset: number
}

async function starvedBy(trx: Trx, asking: readonly Wish[], { now, starveMs }: Dispatch): Promise<Instant> {
  const someTrusted = asking.some(({ visit }) => visit.host.trusted)
  const owners = someTrusted ? await countOwners(trx, addMs(now, -PRESENT_MS)) : 0
  return addMs(now, -starveAfter(owners, starveMs))
}

async function dealOnce(
  trx: Trx,
  wishes: readonly Wish[],
  starvedBefore: Instant,
  { now, random }: Dispatch,
): Promise<LeaseRow[]> {
  const hosts = wishes.map(({ visit: { host, call }, take, offset }) => ({
    ...{ hostId: host.id, userId: host.userId, ownerKey: host.ownerKey, trusted: host.trusted },
    prefix: networkOf(host, call),
    ...{ engineClasses: call.body.engineClasses, memoryPages: call.body.memoryMiB * PAGES_PER_MIB },
    ...{ limit: candidatesFor(take), offset },
  }))
  const candidates = await lockCandidates(trx, hosts, starvedBefore)
  const asking = wishes.map(({ visit: { host, call }, take }) => ({
    ...{ hostId: host.id, ownerKey: host.ownerKey, prefix: networkOf(host, call), take },
    candidates: candidates.filter(candidate => candidate.hostId === host.id),
  }))
  const dealt = deal(asking, random)
  return storeLeases(trx, dealt, candidates, now)
}

/** Trusted hosts are the operator's, and check whomever they stand beside. */
const networkOf = ({ trusted }: Visit['host'], { prefix }: Visit['call']): string | null =>
  trusted ? null : prefix

/** Hosts that have waited longest come first: with `offset` each leaves the first results to those before it. */
function queue(asking: readonly Wish[]): Wish[] {
  const waiting = asking.toSorted((a, b) => idleOf(a.visit) - idleOf(b.visit))
  const taken = { trusted: 0, others: 0 }
  return waiting.map(({ visit, take }) => {
    const kind = visit.host.trusted ? 'trusted' : 'others' // they draw from different results
    const offset = taken[kind]
    taken[kind] += take
    return { visit, take, offset }
  })
}

const idleOf = ({ host }: Visit): number => host.idleSince ?? Number.MAX_SAFE_INTEGER

const termsOf = ({ call, host, dailyQuota, usedToday }: Visit) => ({
  want: call.body.want,
  cores: call.body.cores,
  trusted: host.trusted,
  dailyQuota,
  usedToday,
})

async function storeLeases(
  trx: Trx,
  dealt: readonly Assignment[],
  candidates: readonly CandidateRow[],
  now: Instant,
): Promise<LeaseRow[]> {
  const byId = new Map(candidates.map(candidate => [candidate.resultId, candidate]))
  const leases = dealt.flatMap(assignment => {
    const candidate = byId.get(assignment.resultId)
    if (candidate === undefined) return []
    const deadline = addMs(now, deadlineFor(candidate, candidate.attempt))
    return [{ ...assignment, deadline, graceUntil: addMs(deadline, candidate.graceMs) }]
  })
  const stored = await lease(trx, leases, now)
  invariant(stored.length === dealt.length, 'locked candidates stay unsent until they are leased')
  return stored
}
