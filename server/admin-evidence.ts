import { type Command, InvalidArgumentError } from 'commander'
import type { Knex } from 'knex'
import { knowVal } from '#domain/evidence.ts'
import { type Residual, residualsOf, type Suspicion, suspicionOf } from '#domain/residual.ts'
import { addMs, type Instant, toWire } from '#protocol/units.ts'
import { type RecordRow, readObservations, readRecords } from '#store/fraud.ts'
import { readHiddenScores } from '#store/hidden.ts'
import { listAlerts, resolveAlert } from '#store/inspection.ts'
import { runOnDatabase, type Said, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'
import { OperatorError } from './operator.ts'

const DAY_MS = 24 * 3600_000
const DAYS_MAX = 90
const OBSERVATIONS_MAX = 200_000
const SCORES_MAX = 20_000
const ALERTS_SHOWN = 200

/** `xeenet admin fraud` and `xeenet admin alerts`: what the server found, for people to judge. */
export function addEvidenceVerbs(root: Command): void {
  verb(root, 'fraud', 'hosts that lie far from their peers, the most suspicious first')
    .option('--days <n>', 'results of so many days', days, 7)
    .option('--all', 'also hosts that nothing speaks against')
    .action((options: Shared & { days: number; all?: boolean }) =>
      runOnDatabase(options, async knex => {
        const now = systemClock()
        const found = await findSuspects(knex, { since: addMs(now, -options.days * DAY_MS) })
        const hosts = found.filter(host => options.all === true || host.reasons.length > 0)
        return { json: { days: options.days, hosts }, lines: linesOf(hosts) }
      }),
    )
  const alerts = verb(root, 'alerts', 'invariants that did not hold')
    .option('--all', 'also those that were resolved')
    .option('--resolve <id>', 'this one was dealt with', whole)
  alerts.action((options: Shared & { all?: boolean; resolve?: number }) =>
    runOnDatabase(options, knex => showAlerts(knex, options)),
  )
}

export interface Suspect extends Residual, Suspicion, RecordRow {
  readonly hostId: RecordRow['hostId']
}

// Of a host whose weights alone were looked at.
const NOTHING_SEEN = { results: 0, metric: null, time: null, errors: null } as const

/** Every host that reported since then, the most suspicious first. */
export async function findSuspects(knex: Knex, { since }: { since: Instant }): Promise<Suspect[]> {
  const observations = await readObservations(knex, { since, limit: OBSERVATIONS_MAX })
  const residuals = new Map(residualsOf(observations).map(residual => [residual.hostId, residual]))
  const scores = await readHiddenScores(knex, { since, limit: SCORES_MAX })
  const knowing = Map.groupBy(knowVal(scores), score => score.hostId)
  const records = await readRecords(knex, [...new Set([...residuals.keys(), ...knowing.keys()])])
  const suspects = records.flatMap(record => {
    const { hostId } = record
    const residual = residuals.get(hostId) ?? { hostId, ...NOTHING_SEEN }
    const facts = { ...record, knowingVal: knowing.get(hostId)?.length ?? 0 }
    return [{ ...residual, ...record, ...suspicionOf(residual, facts) }]
  })
  return suspects.toSorted((a, b) => b.score - a.score || (a.hostId < b.hostId ? -1 : 1))
}

function linesOf(hosts: readonly Suspect[]): string[] {
  if (hosts.length === 0) return ['nothing speaks against anybody']
  return hosts.flatMap(({ hostId, name, state, results, score, reasons }) => [
    `${hostId}  ${name}  ${state}  ${results} results  ${score.toFixed(1)}`,
    ...reasons.map(reason => `  ${reason}`),
  ])
}

async function showAlerts(
  knex: Knex,
  { all = false, resolve }: { all?: boolean; resolve?: number },
): Promise<Said> {
  if (resolve !== undefined && (await resolveAlert(knex, resolve, systemClock())) === 0)
    throw new OperatorError('alert_unknown', `there is no open alert ${resolve}`, 'xeenet admin alerts')
  const rows = await listAlerts(knex, { all, limit: ALERTS_SHOWN })
  const alerts = rows.map(({ seenAt, lastSeenAt, resolvedAt, ...row }) => ({
    ...row,
    ...{ seenAt: toWire(seenAt), lastSeenAt: toWire(lastSeenAt) },
    resolvedAt: resolvedAt === null ? null : toWire(resolvedAt),
  }))
  const lines = alerts.flatMap(alert => [
    `${alert.id}  ${alert.kind}  ${alert.subject}  ${alert.seenAt}${alert.resolvedAt === null ? '' : '  resolved'}`,
    `  ${alert.detail}`,
  ])
  return { json: { alerts }, lines: lines.length === 0 ? ['no alerts'] : lines }
}

function days(text: string): number {
  const n = Number(text)
  if (!Number.isInteger(n) || n < 1 || n > DAYS_MAX) throw new InvalidArgumentError(`1 to ${DAYS_MAX}`)
  return n
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('expected the number of an alert')
  return Number(text)
}
