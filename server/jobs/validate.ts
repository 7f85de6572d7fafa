import { sha256Of } from '#domain/hash.ts'
import { invariant } from '#domain/invariant.ts'
import { addRun, isRecord, type Scores, scoreAfter } from '#domain/records.ts'
import { type Case, type Settlement, settle } from '#domain/settle.ts'
import type { Standing } from '#domain/trust.ts'
import type { WorkUnit } from '#domain/types.ts'
import type { ExperimentId, HostId, Instant, ResultId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { readExperimentScores, readScores } from '#store/scores.ts'
import { paidOf, readSuccesses, type SuccessRow } from '#store/verdicts.ts'
import type { ReadOutput } from '#validators/output.ts'
import { validatorOf } from '#validators/registry.ts'
import type { JobDeps } from './deps.ts'
import { type Bounds, readBounds } from './tolerance.ts'

/** What was said of the successes of a batch of work units, and not stored yet. */
export interface Verdicts {
  readonly judged: readonly WorkUnit[] // locked
  readonly successes: readonly SuccessRow[]
  /** Of the successes whose reports could be read. */
  readonly outputs: ReadonlyMap<ResultId, ReadOutput>
  readonly settlements: readonly Settlement[]
  /** How their hosts stood, which are locked, and how they stand after it. */
  readonly before: ReadonlyMap<HostId, Standing>
  readonly after: ReadonlyMap<HostId, Standing>
  readonly now: Instant
}

/** Judges the pending successes of locked work units that ask for it, ids ascending; `before`: how their hosts stand, locked. */
export async function judgeUnits(
  trx: Trx,
  deps: Pick<JobDeps, 'trust'>,
  judged: readonly WorkUnit[],
  { before, now }: Pick<Verdicts, 'before' | 'now'>,
): Promise<Verdicts> {
  const [successes, board] = await Promise.all([
    readSuccesses(
      trx,
      judged.map(workUnit => workUnit.id),
    ),
    readBoard(trx, deps, judged),
  ])
  const bounds = await readBounds(trx, successes)
  const successesOf = Map.groupBy(successes, success => success.workUnitId)
  const outputs = new Map<ResultId, ReadOutput>()
  const settlements: Settlement[] = []
  const after = new Map(before)
  for (const workUnit of judged) {
    const mine = successesOf.get(workUnit.id) ?? []
    const { settlement, standings } = settle(
      caseOf(workUnit, mine, { board, bounds, outputs }),
      standingsOf(mine, after),
      now,
    )
    settlements.push(settlement)
    for (const [id, standing] of standings) after.set(id, standing)
    board.add(workUnit, metricOf(mine, settlement.canonicalId))
  }
  return { judged, successes, outputs, settlements, before, after, now }
}

/** The hosts of one unit: a decision that copies what it is given costs as much as that is. */
const standingsOf = (
  rows: readonly SuccessRow[],
  all: ReadonlyMap<HostId, Standing>,
): ReadonlyMap<HostId, Standing> =>
  new Map(
    rows.flatMap(({ hostId }) => {
      const standing = all.get(hostId)
      return standing === undefined ? [] : [[hostId, standing] as const]
    }),
  )

/** The leading metrics of the campaigns of a batch, kept up while it is judged. */
interface Board {
  isRecord(workUnit: WorkUnit, metric: number | null): boolean
  add(workUnit: WorkUnit, metric: number | null): void
}

async function readBoard(
  trx: Trx,
  { trust: { leaderRows } }: Pick<JobDeps, 'trust'>,
  units: readonly WorkUnit[],
): Promise<Board> {
  const [scores, own] = await Promise.all([
    readScores(trx, [...new Set(units.map(unit => unit.campaignId))], leaderRows + 1),
    readExperimentScores(trx, units),
  ])
  const scoresOf = ({ campaignId }: WorkUnit): Scores => {
    const found = scores.get(campaignId)
    invariant(found !== undefined, 'a work unit has a campaign')
    return found
  }
  const run = (experimentId: ExperimentId, metric: number) => ({
    ...{ experimentId, metric, before: own.get(experimentId) },
  })
  return {
    isRecord: (unit, metric) =>
      metric !== null && isRecord(scoresOf(unit), run(unit.experimentId, metric), leaderRows),
    add: (unit, metric) => {
      if (metric === null) return
      const added = run(unit.experimentId, metric)
      scores.set(unit.campaignId, addRun(scoresOf(unit), added, leaderRows))
      own.set(unit.experimentId, scoreAfter(added))
    },
  }
}

const metricOf = (rows: readonly SuccessRow[], id: ResultId | null): number | null =>
  rows.find(row => row.id === id)?.metric ?? null

interface Known {
  readonly board: Board
  readonly bounds: Bounds
  readonly outputs: Map<ResultId, ReadOutput>
}

/** The facts about one work unit: every report is read once, into `outputs`, and its digest is checked again. */
function caseOf(workUnit: WorkUnit, rows: readonly SuccessRow[], { board, bounds, outputs }: Known): Case {
  const [first] = rows
  invariant(first !== undefined, 'a judged work unit has successes')
  const validator = validatorOf(first.engineClass, bounds.of(first))
  const successes = rows.filter(isProved).map(({ report, digest, ...row }) => {
    const success = { ...row, paid: paidOf(row), undelivered: row.weights === 'missing' }
    if (row.weights === 'different') return { ...success, unreadable: FALSE_METRIC }
    const output = validator.read(report)
    if ('unreadable' in output) return { ...success, unreadable: output.unreadable }
    if (sha256Of(report) !== digest) return { ...success, unreadable: 'the digest is not that of the report' }
    outputs.set(success.id, output)
    return { ...success, unreadable: null }
  })
  const outputOf = (id: ResultId): ReadOutput => {
    const output = outputs.get(id)
    invariant(output !== undefined, 'only readable reports are compared')
    return output
  }
  return {
    workUnit,
    successes,
    priceMilliPerGfuel: first.priceMilliPerGfuel,
    payerId: first.payerId,
    same: (a, b) => validator.same(outputOf(a), outputOf(b)),
    isRecord: id => board.isRecord(workUnit, metricOf(rows, id)),
    whereTheyPart: (a, b) => validator.whereTheyPart(outputOf(a), outputOf(b)),
  }
}

/** Of a class with a tolerance: what nobody has looked at the weights of is not judged yet, and nothing is compared with it. */
const isProved = ({ weights, verdict }: SuccessRow): boolean => verdict !== 'pending' || weights !== 'awaited'

const FALSE_METRIC = 'its weights are not those of its metric and fingerprint'
