import type { HostId, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { Ending, SimLease, UnitView } from './grid.ts'
import { type Leaderboard, newLeaderboard } from './leaderboard.ts'
import type { Host } from './population.ts'
import { type Answer, isTrue, nameOf, type Run } from './truth.ts'

/** What a wrong report was, and whose. */
interface Lie {
  readonly by: string // strategy
  readonly rate: number
}

interface Standing {
  validAt: number // when it first was
  valid: boolean
  provisional: boolean
  wrong: Lie | null // whose wrong answer stands now
  everFinal: Lie | null // whose wrong answer was ever shown as final
  everProvisional: Lie | null
}

/** Counts what the grid believes against what is true. Nothing here is known to the grid. */
export interface Meter {
  leased(host: Host | 'verifier', lease: SimLease, now: number): void
  lost(now: number): void
  reported(host: Host, resultId: ResultId, run: Run, answer: Answer): void
  see(view: UnitView, now: number): void
  /** An answer that is public, for those who copy. */
  published(): Answer | undefined
  tally(ending: Ending, hosts: ReadonlyMap<HostId, Host>): Tally
}

export interface Tally {
  readonly leases: Leases // since the steady state began
  readonly validUnits: number // at the end
  readonly validSteady: number // that first became valid since then
  readonly perLiar: ReadonlyMap<string, LiarTally>
  readonly honestExcluded: number
  readonly dishonestExcluded: number
}

export interface Leases {
  replicas: number
  checks: number
  canaries: number
  lost: number
}

export interface LiarTally {
  readonly strategy: string
  readonly rate: number
  reports: number
  lies: number
  wrongFinal: number
  wrongEver: number
  wrongProvisional: number // ever
  wrongProvisionalEnd: number
  wrongRecords: number
  keptMilli: number // for what it did not compute
  forfeitedMilli: number
  forfeitedTrueMilli: number // of that, for what it had computed
  excluded: number
  liesUntilCaught: number | null // told before the first that did not prevail
}

interface Book {
  readonly lies: Map<ResultId, Lie>
  readonly reportersOf: Map<ResultId, Lie> // of all but the sound ones
  readonly units: Map<WorkUnitId, Standing>
  readonly board: Leaderboard<Lie>
  readonly recordsBy: Map<Lie, number>
  readonly liesAbout: Map<string, Lie>
  /** A lie did not prevail. */
  firstCaught(lie: Lie): void
  latest: Answer | undefined
}

export function newMeter(steadyFrom: number, leaderRows: number): Meter {
  const leases: Leases = { replicas: 0, checks: 0, canaries: 0, lost: 0 }
  const perLiar = new Map<string, LiarTally>()
  const tallyOf = ({ by, rate }: Lie): LiarTally => {
    const key = `${by}@${rate}`
    const known = perLiar.get(key) ?? newTally(by, rate)
    perLiar.set(key, known)
    return known
  }
  const book: Book = {
    ...{ lies: new Map(), reportersOf: new Map(), units: new Map(), recordsBy: new Map() },
    ...{ board: newLeaderboard<Lie>(leaderRows), latest: undefined, liesAbout: new Map() },
    firstCaught: lie => {
      const tally = tallyOf(lie)
      tally.liesUntilCaught ??= tally.lies
    },
  }
  return {
    leased: (_host, lease, now) => {
      if (now < steadyFrom) return
      if (lease.purpose === 'replica') leases.replicas++
      else if (lease.purpose === 'check') leases.checks++
      else leases.canaries++
    },
    lost: now => {
      if (now >= steadyFrom) leases.lost++
    },
    reported: (host, resultId, run, answer) => {
      if (host.strategy.kind === 'honest') return
      const lie: Lie = { by: host.strategy.name, rate: host.person.rate }
      const tally = tallyOf(lie)
      tally.reports++
      book.reportersOf.set(resultId, lie)
      if (isTrue(run, answer)) return
      tally.lies++
      book.lies.set(resultId, lie)
      book.liesAbout.set(nameOf(run), lie)
    },
    see: (view, now) => see(book, view, now),
    published: () => book.latest,
    tally: (ending, hosts) => {
      for (const standing of book.units.values()) countStanding(standing, tallyOf)
      for (const [liar, count] of book.recordsBy) tallyOf(liar).wrongRecords += count
      countPay(ending, book, tallyOf)
      const valid = [...book.units.values()].filter(standing => standing.valid)
      return {
        ...{ leases, perLiar, validUnits: valid.length },
        ...countExcluded(ending, hosts, tallyOf),
        validSteady: valid.filter(standing => standing.validAt >= steadyFrom).length,
      }
    },
  }
}

/** Compares a unit, as it stands now, with what is true. */
function see(book: Book, view: UnitView, now: number): void {
  const { units, lies, board, recordsBy } = book
  const standing = units.get(view.id) ?? newStanding()
  units.set(view.id, standing)
  standing.valid = view.state === 'valid'
  if (standing.valid && standing.validAt < 0) standing.validAt = now
  standing.provisional = view.provisional
  standing.wrong = (view.canonicalId === null ? undefined : lies.get(view.canonicalId)) ?? null
  const lie = book.liesAbout.get(nameOf(view.run))
  if (lie !== undefined && standing.valid && standing.wrong === null) book.firstCaught(lie)
  if (!view.published || view.canonical === null) {
    board.withdraw(view.run)
    return
  }
  book.latest = view.canonical
  const { verified, canonical } = view
  const published = { metric: canonical.metric, verified, wrong: standing.wrong }
  for (const liar of board.publish(view.run, published)) recordsBy.set(liar, (recordsBy.get(liar) ?? 0) + 1)
  if (standing.wrong === null) return
  if (view.provisional) standing.everProvisional = standing.wrong
  else standing.everFinal = standing.wrong
}

const newStanding = (): Standing => ({
  ...{ validAt: -1, valid: false, provisional: false },
  ...{ wrong: null, everFinal: null, everProvisional: null },
})

const newTally = (strategy: string, rate: number): LiarTally => ({
  ...{ strategy, rate, reports: 0, lies: 0, wrongFinal: 0, wrongEver: 0, wrongProvisional: 0 },
  ...{ wrongProvisionalEnd: 0, wrongRecords: 0, keptMilli: 0, forfeitedMilli: 0, forfeitedTrueMilli: 0 },
  ...{ excluded: 0, liesUntilCaught: null },
})

type TallyOf = (lie: Lie) => LiarTally

function countStanding(standing: Standing, tallyOf: TallyOf): void {
  const { valid, wrong, provisional, everFinal, everProvisional } = standing
  if (valid && wrong !== null) {
    if (provisional) tallyOf(wrong).wrongProvisionalEnd++
    else tallyOf(wrong).wrongFinal++
  }
  if (everFinal !== null) tallyOf(everFinal).wrongEver++
  if (everProvisional !== null) tallyOf(everProvisional).wrongProvisional++
}

function countPay({ pay }: Ending, { lies, reportersOf }: Book, tallyOf: TallyOf): void {
  for (const [resultId, { grantedMilli, reversedMilli }] of pay) {
    const liar = reportersOf.get(resultId)
    if (liar === undefined) continue
    const tally = tallyOf(liar)
    tally.forfeitedMilli += reversedMilli
    if (lies.has(resultId)) tally.keptMilli += grantedMilli - reversedMilli
    else tally.forfeitedTrueMilli += reversedMilli
  }
}

function countExcluded(ending: Ending, hosts: ReadonlyMap<HostId, Host>, tallyOf: TallyOf) {
  let [honestExcluded, dishonestExcluded] = [0, 0]
  for (const { id, excluded } of ending.hosts) {
    const host = hosts.get(id)
    if (host === undefined || !excluded) continue
    const { kind, name } = host.strategy
    if (kind === 'honest' || kind === 'flaky') honestExcluded++
    else dishonestExcluded++
    if (kind !== 'honest') tallyOf({ by: name, rate: host.person.rate }).excluded++
  }
  return { honestExcluded, dishonestExcluded }
}
