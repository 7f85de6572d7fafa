import {
  classFor,
  deal,
  leasesAllowed,
  OWNERS_FOR_QUORUM,
  type Patience,
  PRESENT_MS,
  pairAfter,
  type Random,
  starveAfter,
} from '#domain/dispatch.ts'
import { invariant } from '#domain/invariant.ts'
import { deadlineFor } from '#domain/transition.ts'
import { mayCompute, provenFuel, type TrustRules } from '#domain/trust.ts'
import { addMs, type HostId, type Instant, type ResultId, type Sha256 } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { countOwners, type HeldRow, type LeaseRow, lease, readHeld, readLeases } from '#store/dispatch.ts'
import { countProvenOwners } from '#store/streaks.ts'
import { bindWorkUnits } from '#store/unit-classes.ts'
import { type Candidate, candidatesOf } from './candidates.ts'
import type { Catalogue } from './catalogue.ts'
import type { Edge } from './edge.ts'
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
  readonly pairMs: number
  readonly starveMs: number
  readonly rules: TrustRules
  readonly wake: Edge['wake']
  readonly catalogue: Catalogue
}

/** Decides and stores the leases of a group of calls whose reports were received. */
export async function giveWork(
  trx: Trx,
  visits: readonly Visit[],
  dispatch: Dispatch,
): Promise<Map<HostId, Work>> {
  const ids = visits.flatMap(visit => visit.call.body.held.map(held => held.resultId))
  const hostIds = visits.map(visit => visit.host.id)
  const [rows, patience] = await Promise.all([readHeld(trx, hostIds, ids), patienceOf(trx, visits, dispatch)])
  const standings = visits.map(visit => standingOf(visit, rows, dispatch.now))
  const again = await readLeases(
    trx,
    standings.flatMap(standing => standing.resend),
  )
  const dealt = await dealWork(trx, standings, patience, dispatch)
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
  const unlisted = mine.map(row => row.resultId).filter(id => !listed.has(id) && !reported.has(id))
  const resend = visit.cheated === null ? unlisted : [] // they are about to be taken away
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
  const inGrace = row.graceUntil !== null && now <= row.graceUntil
  if (row.outcome === 'no_reply') return row.unitOpen || inGrace ? undefined : 'too_late'
  const isOvertaken = row.outcome === 'cancelled' && row.unitValid // and paid if it comes in time
  return isOvertaken && inGrace ? undefined : (row.outcome ?? 'unknown')
}

const PAGES_PER_MIB = 16

async function dealWork(
  trx: Trx,
  standings: readonly Standing[],
  patience: Patience,
  dispatch: Dispatch,
): Promise<LeaseRow[]> {
  const asking = standings.flatMap(({ visit, held, resend }): Wish[] => {
    const take = leasesAllowed({ ...termsOf(visit, dispatch.rules), held, resent: resend.length })
    return take === 0 ? [] : [{ visit, take }]
  })
  if (asking.length === 0) return []
  return dealOnce(trx, queue(asking), patience, dispatch)
}

/** A host that may be given `take` results. */
interface Wish {
  readonly visit: Visit
  readonly take: number
}

async function patienceOf(
  trx: Trx,
  visits: readonly Visit[],
  { now, pairMs, starveMs }: Dispatch,
): Promise<Patience> {
  const since = addMs(now, -PRESENT_MS)
  const someTrusted = visits.some(({ host }) => host.trusted)
  const [owners, proven] = await Promise.all([
    someTrusted ? countOwners(trx, since, OWNERS_FOR_QUORUM) : 0,
    countProvenOwners(trx, since, OWNERS_FOR_QUORUM),
  ])
  return {
    starvedBefore: addMs(now, -starveAfter(owners, starveMs)),
    pairedBefore: addMs(now, -pairAfter(proven, pairMs)),
  }
}

async function dealOnce(
  trx: Trx,
  wishes: readonly Wish[],
  patience: Patience,
  dispatch: Dispatch,
): Promise<LeaseRow[]> {
  const seekers = wishes.map(wish => seekerOf(wish, dispatch.rules))
  const candidates = await candidatesOf(trx, seekers, patience)
  const isAtHand = await dataAtHand(trx, [...candidates.values()].flat(), dispatch)
  const asking = seekers.map(({ hostId, ownerKey, prefix, take, visit: { call } }) => ({
    ...{ hostId, ownerKey, prefix, take },
    candidates: (candidates.get(hostId) ?? []).flatMap(candidate =>
      asOf(candidate, call).map(each => (isAtHand(each, call) ? { ...each, atHand: true } : each)),
    ),
  }))
  const dealt = deal(asking, dispatch.random)
  const shown = new Map(asking.map(host => [host.hostId, host.candidates]))
  const given = dealt.flatMap(({ hostId, resultId }) => {
    const candidate = shown.get(hostId)?.find(each => each.resultId === resultId)
    return candidate === undefined ? [] : [{ ...candidate, hostId }]
  })
  invariant(given.length === dealt.length, 'only candidates are dealt')
  const proven = new Map(seekers.map(host => [host.hostId, host.provenFuel]))
  return storeLeases(trx, { given, proven }, dispatch)
}

/** Whether a host says that it has the text or the images that a run trains on; what is checked is small. */
async function dataAtHand(
  trx: Trx,
  candidates: readonly Candidate[],
  { catalogue }: Dispatch,
): Promise<(candidate: Candidate, call: Visit['call']) => boolean> {
  const trainOf = new Map<string, Sha256 | undefined>()
  for (const sha256 of new Set(candidates.map(({ datasetSha256 }) => datasetSha256))) {
    const { splits } = await catalogue.dataset(trx, sha256)
    trainOf.set(sha256, splits.find(({ name }) => name === 'train')?.sha256)
  }
  return ({ datasetSha256, isNew }, { body: { files = [] } }) => {
    const train = trainOf.get(datasetSha256)
    return isNew && train !== undefined && files.includes(train)
  }
}

const seekerOf = ({ visit, take }: Wish, rules: TrustRules) => {
  const { host, call } = visit
  return {
    ...{ visit, take, hostId: host.id, userId: host.userId, ownerKey: host.ownerKey },
    ...{ trusted: host.trusted, prefix: networkOf(host, call), provenFuel: provenOf(host, rules) },
    ...{ engineClasses: call.body.engineClasses, memoryPages: call.body.memoryMiB * PAGES_PER_MIB },
  }
}
/** A candidate as the host would compute it; nothing where it is of none of the host's classes in time. */
function asOf(candidate: Candidate, { body }: Visit['call']): Candidate[] {
  const { choices, engineClass, fuelMax, deadlineMs, attempt } = candidate
  const { engineClasses, engineRates = {} } = body
  const chosen = classFor(
    choices ?? [{ engineClass, fuelMax }],
    { engineClasses, engineRates },
    deadlineFor({ deadlineMs }, attempt),
  )
  const choice = choices?.find(each => each.engineClass === chosen)
  if (chosen === undefined) return []
  return choice === undefined ? [candidate] : [{ ...candidate, engineClass: chosen, fuelMax: choice.fuelMax }]
}

type ProvenFuel = Readonly<Record<string, number>>

/** By engine class, what the host may compute alone; only where there is anything. */
function provenOf({ trusted, streaks, exclusions }: Visit['host'], rules: TrustRules): ProvenFuel {
  const fuels = Object.entries(trusted ? {} : streaks).map(
    ([engineClass, streak]) => [engineClass, provenFuel(streak, exclusions, rules)] as const,
  )
  return Object.fromEntries(fuels.filter(([, fuel]) => fuel > 0))
}

/** Trusted hosts are the operator's, and check whomever they stand beside. */
const networkOf = ({ trusted }: Visit['host'], { prefix }: Visit['call']): string | null =>
  trusted ? null : prefix

/** Hosts that have waited longest come first. */
const queue = (asking: readonly Wish[]): Wish[] =>
  asking.toSorted((a, b) => idleOf(a.visit) - idleOf(b.visit))

const idleOf = ({ host }: Visit): number => host.idleSince ?? Number.MAX_SAFE_INTEGER

const termsOf = (
  { call, host, dailyQuota, usedToday, selfTest, isBroken, cheated }: Visit,
  rules: TrustRules,
) => ({
  want: call.body.want,
  cores: call.body.cores,
  trusted: host.trusted,
  proven: Object.keys(provenOf(host, rules)).length > 0,
  mayCompute: cheated === null && !isBroken && (host.trusted || mayCompute({ ...host, selfTest })),
  dailyQuota,
  usedToday,
})

interface Deal {
  readonly given: readonly (Candidate & { readonly hostId: HostId })[]
  readonly proven: ReadonlyMap<HostId, ProvenFuel>
}

async function storeLeases(trx: Trx, { given, proven }: Deal, { now, wake }: Dispatch): Promise<LeaseRow[]> {
  const leases = given.map(candidate => {
    const { hostId, resultId } = candidate
    const { attempt, graceMs, engineClass, fuelMax, workUnitId, policy } = candidate
    const deadline = addMs(now, deadlineFor(candidate, attempt))
    const isProven = (proven.get(hostId)?.[engineClass] ?? 0) >= fuelMax
    const lease = { hostId, resultId, deadline, graceUntil: addMs(deadline, graceMs), proven: isProven }
    return { lease, wakes: policy === 'adaptive' && !isProven ? [workUnitId] : [] }
  })
  const [, stored] = await Promise.all([
    bindWorkUnits(
      trx,
      given.flatMap(({ workUnitId: id, engineClass, choices }) =>
        choices === null ? [] : [{ id, engineClass }],
      ),
    ),
    lease(
      trx,
      leases.map(each => each.lease),
      now,
    ),
    // A stranger needs a partner: the unit creates its replica now, not when the stranger is done.
    wake.workUnits(trx, [...new Set(leases.flatMap(each => each.wakes))]),
  ])
  invariant(stored.length === given.length, 'locked candidates stay unsent until they are leased')
  return stored
}
