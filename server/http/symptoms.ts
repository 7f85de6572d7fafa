import type { RequestHandler } from 'express'
import { enrolmentWindows } from '#domain/enrolment.ts'
import { OVERRUN_DAILY_MILLI } from '#domain/grants.ts'
import { readSymptoms } from '#operate/symptoms.ts'
import {
  CAMPAIGNS_OPEN_MAX,
  EXPERIMENTS_OPEN_MAX,
  KEYS_PER_ACCOUNT_MAX,
  LEASES_PER_CORE_MAX,
  LEASES_UNTRUSTED_MAX,
  PROPOSALS_OPEN_MAX,
  WAITERS_MAX,
} from '#protocol/limits.ts'
import type { LimitsView, SymptomsView } from '#protocol/operator.ts'
import { toWire } from '#protocol/units.ts'
import { readEnrolments } from '#store/enrolments.ts'
import { readLedgerState } from '#store/views.ts'
import type { Edge } from './edge.ts'
import { newKept } from './kept.ts'
import type { Meter, Rates } from './meter.ts'
import { requireOperator } from './operator.ts'

// Some of it counts a million rows: two consoles that refresh every few seconds share one count.
const KEPT_MS = 2_000

/** GET /operator/symptoms */
export function showSymptoms(edge: Edge, meter: Meter): RequestHandler {
  const kept = newKept<'symptoms', SymptomsView>(edge.now, { forMs: KEPT_MS, most: 1 })
  return async (req, res) => {
    await requireOperator(edge, req)
    res.json(await kept.get('symptoms', 0, () => viewOf(edge, meter.rates())))
  }
}

async function viewOf(edge: Edge, { minutes, ...rates }: Rates): Promise<SymptomsView> {
  const known = await readSymptoms(edge.knex, { now: edge.now(), failedShare: rates.errorShare })
  const shown = minutes.map(({ at, ...minute }) => ({ at: toWire(at), ...minute }))
  return { ...known, requests: { ...rates, minutes: shown } }
}

/** GET /operator/limits */
export function showLimits(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const now = edge.now()
    const { overrunTodayMilli } = await readLedgerState(edge.knex, now)
    const { anonymousPerMinute, hostPerMinute, inFlightMax, perMinute, perPrefixDay, enrolWork } =
      edge.settings
    const row = (
      name: string,
      value: number,
      unit: string,
      more: { used?: number; setting?: string } = {},
    ) => ({
      ...{ name, value, unit, used: more.used ?? null, setting: more.setting ?? null },
    })
    const enrolled = await readEnrolments(edge.knex, enrolmentWindows(null, edge.settings, now))
    const view: LimitsView = {
      limits: [
        row('calls of an address without a token', anonymousPerMinute, 'a minute', {
          setting: 'XEENET_ANONYMOUS_PER_MINUTE',
        }),
        row('calls of a host', hostPerMinute, 'a minute', { setting: 'XEENET_HOST_PER_MINUTE' }),
        row('requests in hand', inFlightMax, 'by process', { setting: 'XEENET_IN_FLIGHT_MAX' }),
        row('enrolments without a token', perMinute, 'a minute', {
          ...{ used: enrolled.get('all') ?? 0, setting: 'XEENET_ENROL_PER_MINUTE' },
        }),
        row('the same of one network', perPrefixDay, 'a day', { setting: 'XEENET_ENROL_PER_PREFIX_DAY' }),
        row('work of an enrolment', enrolWork, 'hash iterations', { setting: 'XEENET_ENROL_WORK' }),
        row('overrun', OVERRUN_DAILY_MILLI, 'milli-credits a day', { used: overrunTodayMilli }),
        row('open campaigns of an account', CAMPAIGNS_OPEN_MAX, 'campaigns'),
        row('open experiments of an account', EXPERIMENTS_OPEN_MAX, 'experiments'),
        row('API keys of an account', KEYS_PER_ACCOUNT_MAX, 'keys'),
        row('open kernel proposals of an account', PROPOSALS_OPEN_MAX, 'proposals'),
        row('leases of a host without a streak', LEASES_UNTRUSTED_MAX, 'leases'),
        row('leases of a host', LEASES_PER_CORE_MAX, 'per core'),
        row('calls that wait for events', WAITERS_MAX, 'by process'),
      ],
    }
    res.json(view)
  }
}
