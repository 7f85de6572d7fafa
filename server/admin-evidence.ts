import { type Command, InvalidArgumentError } from 'commander'
import type { Knex } from 'knex'
import { findSuspects, type Suspect } from '#operate/suspects.ts'
import { addMs, toWire } from '#protocol/units.ts'
import { listAlerts } from '#store/inspection.ts'
import { act, reasonText } from './admin-acts.ts'
import { runOnDatabase, type Said, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'

const DAY_MS = 24 * 3600_000
const DAYS_MAX = 90
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
    .option('--reason <text>', 'how', reasonText, 'dealt with')
  alerts.action((options: Shared & { all?: boolean; resolve?: number; reason: string }) => {
    const { resolve: alertId } = options
    return alertId === undefined
      ? runOnDatabase(options, knex => showAlerts(knex, options))
      : act(options, () => ({ kind: 'resolve_alert', alertId }))
  })
}

function linesOf(hosts: readonly Suspect[]): string[] {
  if (hosts.length === 0) return ['nothing speaks against anybody']
  return hosts.flatMap(({ hostId, name, state, results, score, reasons }) => [
    `${hostId}  ${name}  ${state}  ${results} results  ${score.toFixed(1)}`,
    ...reasons.map(reason => `  ${reason}`),
  ])
}

async function showAlerts(knex: Knex, { all = false }: { all?: boolean }): Promise<Said> {
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
