import { diagnose, type Facts } from '#domain/diagnosis.ts'
import { DEAD_QUEUE } from '#jobs/deps.ts'
import { SAMPLE_MINUTES, SAMPLES_HOURS } from '#protocol/limits.ts'
import type { SymptomsView } from '#protocol/operator.ts'
import { addMs, type Instant, toWire } from '#protocol/units.ts'
import type { Executor } from '#store/rows.ts'
import { listSamples } from '#store/samples.ts'
import { type Counts, type Queue, readCounts, readQueues } from '#store/symptoms.ts'
import { readUpkeep, type UpkeepKind } from '#store/upkeep.ts'
import { readLedgerState } from '#store/views.ts'

const HOUR_MS = 3600_000
const SAMPLES_MAX = (SAMPLES_HOURS * 60) / SAMPLE_MINUTES + 1

/** What is wrong and the figures behind it; `failedShare` of requests is known to the edge only, and 0 elsewhere. */
export async function readSymptoms(
  on: Executor,
  { now, failedShare }: { now: Instant; failedShare: number },
): Promise<Omit<SymptomsView, 'requests'>> {
  const counts = await readCounts(on, now)
  const queues = await readQueues(on)
  const upkeep = await readUpkeep(on)
  const { sumMilli } = await readLedgerState(on, now)
  const samples = await listSamples(on, { since: addMs(now, -SAMPLES_HOURS * HOUR_MS), limit: SAMPLES_MAX })
  const facts = factsOf({ counts, queues, now, upkeep, balanced: sumMilli === 0, failedShare })
  const { success, error, noReply } = counts
  return {
    now: toWire(now),
    findings: diagnose(facts),
    results: { unsent: counts.unsent, inProgress: counts.inProgress, pending: counts.pending },
    lastHour: { success, error, noReply, rate: facts.errorRate },
    daemons: [...facts.daemons],
    deadLetters: facts.deadLetters,
    lastDay: { users: counts.newUsers, hosts: counts.newHosts },
    hosts: {
      ...{ active: counts.activeHosts, verifiers: counts.verifiers },
      ...{ quarantined: counts.quarantined, paused: counts.paused },
    },
    campaigns: { running: counts.running },
    ledger: { balanced: facts.balanced, sumMilli, unsealedSeconds: facts.unsealedSeconds },
    upkeep: {
      backup: secondsSince(now, upkeep.get('backup')),
      restoreTest: secondsSince(now, upkeep.get('restore_test')),
      ledgerCheck: secondsSince(now, upkeep.get('ledger_check')),
      chainCheck: secondsSince(now, upkeep.get('chain_check')),
    },
    open: { alerts: counts.alerts, appeals: counts.appeals, proposals: counts.proposals },
    database: { bytes: counts.databaseBytes, connections: counts.connections },
    samples: samples.map(({ at, ...sample }) => ({ at: toWire(at), ...sample })),
  }
}

interface Known {
  readonly counts: Counts
  readonly queues: readonly Queue[]
  readonly now: Instant
  readonly upkeep: ReadonlyMap<UpkeepKind, Instant>
  readonly balanced: boolean
  readonly failedShare: number
}

const secondsSince = (now: Instant, at: Instant | null | undefined): number | null =>
  at === null || at === undefined ? null : Math.max(0, (now - at) / 1000)

function factsOf({ counts, queues, now, upkeep, ...known }: Known): Facts {
  const ended = counts.success + counts.error + counts.noReply
  const due = { name: 'sweep', waiting: counts.due, oldestSeconds: secondsSince(now, counts.dueSince) }
  return {
    ...counts,
    ...known,
    ended,
    errorRate: ended === 0 ? null : (counts.error + counts.noReply) / ended,
    daemons: [due, ...queues.filter(({ name }) => name !== DEAD_QUEUE)],
    // Before the first one it counts from when the database was made.
    unsavedSeconds: secondsSince(now, upkeep.get('backup') ?? counts.since) ?? 0,
    deadLetters: queues.find(({ name }) => name === DEAD_QUEUE)?.waiting ?? 0,
    unsealedSeconds: secondsSince(now, counts.unsealedSince),
  }
}
