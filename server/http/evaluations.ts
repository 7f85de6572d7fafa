import { judgeWeights, scoreOf } from '#domain/evidence.ts'
import type { ReportReply, Lease as WireLease } from '#protocol/scheduler.ts'
import { addMs, type HostId, type Instant, type ResultId, toWire } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import {
  type EvaluationLease,
  endEvaluation,
  heldEvaluations,
  leaseEvaluations,
  lockEvaluations,
} from '#store/evaluations.ts'
import { type Catalogue, slotFiles } from './catalogue.ts'
import { reportedIds, type Visit } from './visit.ts'

// Evaluations of weights (DESIGN §8, V1). To the verifier they are results like any other; here they are kept apart, so that
// none is ever taken for a replica.

const EVALUATIONS_PER_CALL = 2
const DEADLINE_MS = 3600_000

/** Takes what verifiers say about evaluations; gives the answers by id. Reports that are none are left to others. */
export async function receiveEvaluations(
  trx: Trx,
  visits: readonly Visit[],
  now: Instant,
): Promise<ReadonlyMap<string, ReportReply>> {
  const answers = new Map<string, ReportReply>()
  for (const { host, call } of visits.filter(visit => visit.host.trusted)) {
    const ids = reportedIds(call)
    if (ids.length === 0) continue
    const leased = new Map((await lockEvaluations(trx, ids)).map(row => [row.id, row]))
    for (const report of call.reports) {
      if (report.type === 'refused') continue
      const { resultId } = report.sent
      const evaluation = leased.get(resultId)
      if (evaluation?.hostId !== host.id) continue
      answers.set(resultId, { resultId, outcome: 'accepted' })
      if (evaluation.isOver) continue // it did not hear so the first time
      const said =
        report.type === 'success'
          ? ({ type: 'success', metric: report.run.metric?.value ?? null } as const)
          : ({ type: 'error', code: report.sent.code } as const)
      const ended = evaluation.onHidden
        ? scoreOf(said)
        : { outcome: judgeWeights(evaluation.claimed, said), metric: null }
      await endEvaluation(trx, { id: resultId, ...ended, now })
    }
  }
  return answers
}

export interface Evaluations {
  /** To compute: new, or sent again because the host does not list them. */
  readonly leases: readonly WireLease[]
  /** Everything that the host computes of this kind. */
  readonly ids: ReadonlySet<ResultId>
}

/** What verifiers with room for it evaluate; `given` counts what each was given besides. */
export async function giveEvaluations(
  trx: Trx,
  visits: readonly Visit[],
  { given, catalogue, now }: { given: (hostId: HostId) => number; catalogue: Catalogue; now: Instant },
): Promise<ReadonlyMap<HostId, Evaluations>> {
  const evaluations = new Map<HostId, Evaluations>()
  for (const { host, call } of visits.filter(visit => visit.host.trusted)) {
    const held = await heldEvaluations(trx, host.id)
    const room = Math.min(EVALUATIONS_PER_CALL - held.length, call.body.want - given(host.id))
    const deadline = addMs(now, DEADLINE_MS)
    const fresh = room > 0 ? await leaseEvaluations(trx, { hostId: host.id, limit: room, now, deadline }) : []
    const listed = new Set(call.body.held.map(({ resultId }) => resultId))
    const again = held.filter(({ id }) => !listed.has(id) && !fresh.some(other => other.id === id))
    const leases: WireLease[] = []
    for (const row of [...again, ...fresh]) leases.push(await leaseOf(trx, row, catalogue))
    evaluations.set(host.id, { leases, ids: new Set([...held, ...fresh].map(({ id }) => id)) })
  }
  return evaluations
}

async function leaseOf(trx: Trx, row: EvaluationLease, catalogue: Catalogue): Promise<WireLease> {
  const { statement, signature, manifest } = await catalogue.kernel(trx, row.kernelSha256)
  const dataset = await catalogue.dataset(trx, row.datasetSha256)
  const { hidden } = row
  const data = slotFiles(manifest, dataset).map((file, i) =>
    hidden !== null && manifest.slots[i]?.split === 'val' ? hidden : file,
  )
  return {
    ...{ resultId: row.id, workUnitId: row.workUnitId, job: row.job, runKey: row.runKey },
    campaign: { id: row.campaignId, title: row.title },
    engineClass: 'wasm',
    kernel: { name: manifest.name, version: manifest.version, release: { statement, signature } },
    data: [...data, { sha256: row.sha256, bytes: row.bytes }],
    ...{ fuelMax: row.fuelMax, memoryPagesMax: manifest.memoryPagesMax, deadline: toWire(row.deadline) },
  }
}
