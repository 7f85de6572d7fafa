import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { canonicalJson } from '#protocol/canonical.ts'
import { reportBytes } from '#protocol/host.ts'
import { DAILY_QUOTA_START } from '#protocol/limits.ts'
import type { SuccessReport } from '#protocol/scheduler.ts'
import { signBytes } from '#protocol/signature.ts'
import type { ResultId } from '#protocol/units.ts'
import { runReport, sha256, T0, testIds } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let server: Scene['server']
let host: TestHost

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.knex.raw(
    `update results set state = 'over', outcome = 'not_needed' where state = 'unsent'`,
  )
  server.woken.workUnits.length = 0
  host = await enrolHost(server)
})

const DEADLINE_MS = 60_000
const GRACE_MS = 60_000

/** A fresh work unit of which `host` holds one result. */
async function leased(): Promise<{ resultId: ResultId; workUnitId: string; campaignId: string }> {
  const spec = { results: 1, quorum: 1, deadlineMs: DEADLINE_MS, graceMs: GRACE_MS, createdAt: server.now() }
  const { id } = await scene.campaign([spec])
  const { leases } = await host.ask({ want: 1 })
  const [lease] = leases
  if (lease === undefined) throw new Error('no lease')
  return { resultId: lease.resultId, workUnitId: lease.workUnitId, campaignId: id }
}

/** The answer to one report. */
async function send(report: unknown) {
  const { reports } = await host.ask({ reports: [report] })
  return reports[0]
}

const rowOf = (id: string) => scene.row('results', id)
const quotaOf = async (id: string) => (await scene.row('hosts', id)).daily_quota

/** A report whose signature fits whatever text and digest it states. */
async function signed(resultId: ResultId, text: string, digest = sha256(text)): Promise<SuccessReport> {
  const bytes = reportBytes({ serverId: server.serverId, hostId: host.id, resultId, digest })
  const signature = await signBytes(host.privateKey, bytes)
  return { resultId, outcome: 'success', report: text, digest, signature, cpuMs: 1 }
}

describe('a report is accepted', () => {
  test('in time: it is stored byte for byte, its verdict is open, its work unit is woken', async () => {
    const { resultId, workUnitId } = await leased()
    const report = await host.report(resultId, runReport())
    expect(await send(report)).toEqual({ resultId, outcome: 'accepted' })
    expect(await rowOf(resultId)).toMatchObject({
      ...{ state: 'over', outcome: 'success', verdict: 'pending', late: false, fraction: 1 },
      ...{ report: report.report, digest: report.digest, signature: report.signature },
      ...{ fuel_used: 987_654_321, cpu_ms: 1234, artifact_sha256: runReport().artifactSha256 },
    })
    expect(server.woken.workUnits).toEqual([workUnitId])
  })

  test('again with the same digest: the stored answer, and nothing moves', async () => {
    const { resultId } = await leased()
    const report = await host.report(resultId, runReport())
    await send(report)
    const before = await rowOf(resultId)
    expect(await send(report)).toEqual({ resultId, outcome: 'accepted' })
    expect(await rowOf(resultId)).toEqual(before)
    expect(server.woken.workUnits).toHaveLength(1)
  })

  test('twice in one call: once', async () => {
    const { resultId } = await leased()
    const report = await host.report(resultId, runReport())
    const { reports } = await host.ask({ reports: [report, report] })
    expect(reports.map(r => r.outcome)).toEqual(['accepted', 'accepted'])
    expect(server.woken.workUnits).toHaveLength(1)
  })

  test('after its deadline: it is late, and counts', async () => {
    const { resultId } = await leased()
    server.advance(DEADLINE_MS + 1)
    expect(await send(await host.report(resultId, runReport()))).toMatchObject({ outcome: 'accepted' })
    expect(await rowOf(resultId)).toMatchObject({ outcome: 'success', late: true })
  })

  test.each(['no_reply', 'cancelled'])(
    'of a result that is over as %s while its unit is open',
    async outcome => {
      const { resultId } = await leased()
      await server.database.knex.raw(`update results set state = 'over', outcome = ? where id = ?`, [
        outcome,
        resultId,
      ])
      server.advance(DEADLINE_MS + GRACE_MS + 1)
      expect(await send(await host.report(resultId, runReport()))).toMatchObject({ outcome: 'accepted' })
      expect(await rowOf(resultId)).toMatchObject({ outcome: 'success', verdict: 'pending', late: true })
    },
  )

  test('of a cancelled unit within its grace', async () => {
    const { resultId, workUnitId } = await leased()
    await close(workUnitId, resultId)
    server.advance(DEADLINE_MS + GRACE_MS)
    expect(await send(await host.report(resultId, runReport()))).toMatchObject({ outcome: 'accepted' })
  })

  test.each(['diverged', 'trapped', 'infeasible'] as const)('of a run that ended %s', async status => {
    const { resultId } = await leased()
    const run = runReport({ status, metric: null, curve: [], trace: [], artifactSha256: null })
    expect(await send(await host.report(resultId, run))).toMatchObject({ outcome: 'accepted' })
  })
})

async function close(workUnitId: string, resultId: string): Promise<void> {
  const { knex } = server.database
  await knex.raw(`update work_units set state = 'cancelled', closed_at = now() where id = ?`, [workUnitId])
  await knex.raw(`update results set state = 'over', outcome = 'cancelled' where id = ?`, [resultId])
}

describe('a report is refused by itself', () => {
  test.each([
    ['an unknown field', { extra: 1 }, 'extra'],
    ['a digest that is none', { digest: 'abc' }, 'digest'],
    ['a signature that is none', { signature: 'abc' }, 'signature'],
    ['a negative time', { cpuMs: -1 }, 'cpuMs'],
    ['no report', { report: undefined }, 'report'],
    ['a report of more than 64 KiB', { report: 'x'.repeat(65 * 1024) }, 'report'],
    ['an outcome that nobody knows', { outcome: 'victory' }, 'outcome'],
  ])('%s is report_malformed, its neighbour is accepted', async (_what, changes, field) => {
    const { resultId } = await leased()
    const good = await host.report(resultId, runReport())
    const { reports } = await host.ask({ reports: [{ ...good, ...changes }, good] })
    expect(reports[0]).toMatchObject({ resultId, outcome: 'refused', code: 'report_malformed' })
    expect(reports[0]!.detail).toContain(field)
    expect(reports[1]).toEqual({ resultId, outcome: 'accepted' })
  })

  test('something that is not an object at all', async () => {
    expect(await send('hello')).toMatchObject({ resultId: '', code: 'report_malformed' })
    expect(await send(null)).toMatchObject({ code: 'report_malformed' })
  })

  test('text that is not canonical: spaces, order, or no JSON', async () => {
    const { resultId } = await leased()
    const run = runReport()
    const unsorted = JSON.stringify(Object.fromEntries(Object.entries(run).toReversed()))
    for (const text of [JSON.stringify(run, null, 1), unsorted, '{', '']) {
      expect(await send(await signed(resultId, text))).toMatchObject({ code: 'report_malformed' })
    }
    expect(await rowOf(resultId)).toMatchObject({ state: 'in_progress' })
  })

  test.each([
    ['an unknown field', { seed: 1 }],
    ['a status that nobody knows', { status: 'great' }],
    ['a metric of a diverged run', { status: 'diverged' }],
    ['no metric of a finished one', { metric: null }],
    ['too few marks', { trace: [] }],
    ['fuel that is no integer', { fuelUsed: 1.5 }],
    [
      'too many points',
      { curve: Array.from({ length: 65 }, () => ({ update: 1, fuel: 1, train: 1, val: 1 })) },
    ],
  ])('a run with %s is report_malformed', async (_what, changes) => {
    const { resultId } = await leased()
    const text = canonicalJson({ ...runReport(), ...changes })
    expect(await send(await signed(resultId, text))).toMatchObject({ code: 'report_malformed' })
  })

  test('a digest of other bytes', async () => {
    const { resultId } = await leased()
    const text = canonicalJson(runReport())
    expect(await send(await signed(resultId, text, sha256('other')))).toMatchObject({
      code: 'report_digest_mismatch',
    })
  })

  test('forged: signed by another key, or for another result', async () => {
    const { resultId } = await leased()
    const good = await host.report(resultId, runReport())
    const stranger = await enrolHost(server)
    const foreign = await stranger.report(resultId, runReport())
    const elsewhere = await host.report(testIds.result(T0), runReport())
    for (const { signature } of [foreign, elsewhere])
      expect(await send({ ...good, signature })).toMatchObject({ code: 'report_signature_invalid' })
    expect(await quotaOf(host.id)).toBe(DAILY_QUOTA_START)
  })

  test.each([
    ['the metric is not the last point of the curve', { metric: { name: 'val_bpb', value: 1 } }, 'metric'],
    ['the metric is negative', { metric: { name: 'val_bpb', value: -1 }, curve: [] }, 'metric'],
    ['the metric is another one', { metric: { name: 'accuracy', value: 3.25 } }, 'metric'],
    ['more fuel than the limit', { fuelUsed: 1e9 + 1 }, 'fuelUsed'],
    [
      'the curve runs backwards',
      {
        curve: [
          { update: 5, fuel: 0.5, train: 4, val: 4 },
          { update: 4, fuel: 0.6, train: 3, val: 3.25 },
        ],
      },
      'curve',
    ],
  ])('it contradicts itself or its job: %s', async (_what, changes, field) => {
    const { resultId } = await leased()
    const text = canonicalJson({ ...runReport(), ...changes })
    const answer = await send(await signed(resultId, text))
    expect(answer).toMatchObject({ outcome: 'refused', code: 'report_inconsistent' })
    expect(answer!.detail).toContain(field)
    expect(await quotaOf(host.id)).toBe(DAILY_QUOTA_START / 2)
    expect(await scene.events(host.id)).toEqual(['report_inconsistent'])
  })

  test('another digest after an accepted one is a conflict, and counts against the host', async () => {
    const { resultId } = await leased()
    const first = await host.report(resultId, runReport())
    await send(first)
    const other = await host.report(resultId, runReport({ metric: { name: 'val_bpb', value: 3 }, curve: [] }))
    expect(await send(other)).toMatchObject({ outcome: 'refused', code: 'report_conflict' })
    expect(await rowOf(resultId)).toMatchObject({ digest: first.digest })
    expect(await quotaOf(host.id)).toBe(DAILY_QUOTA_START / 2)
    expect(await scene.events(host.id)).toEqual(['report_conflict'])
  })

  test('foreign: leased to another host, to nobody, or never made', async () => {
    const { resultId } = await leased()
    const thief = await enrolHost(server)
    const [unsent] = (await scene.campaign([{ quorum: 1 }])).units[0]!.resultIds
    for (const id of [resultId, unsent!, testIds.result(T0)]) {
      const { reports } = await thief.ask({ reports: [await thief.report(id, runReport())] })
      expect(reports).toMatchObject([{ resultId: id, outcome: 'refused', code: 'report_unknown' }])
    }
    expect(await rowOf(resultId)).toMatchObject({ state: 'in_progress', host_id: host.id })
  })

  test('stale: its unit is closed and its grace over', async () => {
    const { resultId, workUnitId } = await leased()
    await close(workUnitId, resultId)
    server.advance(DEADLINE_MS + GRACE_MS + 1)
    expect(await send(await host.report(resultId, runReport()))).toMatchObject({ code: 'report_stale' })
    expect(await rowOf(resultId)).toMatchObject({ outcome: 'cancelled', digest: null })
  })
})

describe('a host that could not finish', () => {
  const failure = (resultId: ResultId) =>
    ({ resultId, outcome: 'error', code: 'out_of_memory', detail: 'memory.grow failed', cpuMs: 5 }) as const

  test('its result is over, its unit is woken, its quota halves, and the operator can read why', async () => {
    const { resultId, workUnitId } = await leased()
    expect(await send(failure(resultId))).toEqual({ resultId, outcome: 'accepted' })
    expect(await rowOf(resultId)).toMatchObject({
      outcome: 'error',
      error_code: 'out_of_memory',
      verdict: null,
    })
    expect(server.woken.workUnits).toEqual([workUnitId])
    expect(await quotaOf(host.id)).toBe(DAILY_QUOTA_START / 2)
    expect(await scene.events(host.id)).toEqual(['error:out_of_memory'])
  })

  test('says so again: the stored answer; changes its mind: stale', async () => {
    const { resultId } = await leased()
    await send(failure(resultId))
    expect(await send(failure(resultId))).toEqual({ resultId, outcome: 'accepted' })
    expect(await send(await host.report(resultId, runReport()))).toMatchObject({ code: 'report_stale' })
  })

  test('says so after a success: a conflict; after its lease was lost: stale', async () => {
    const { resultId } = await leased()
    await send(await host.report(resultId, runReport()))
    expect(await send(failure(resultId))).toMatchObject({ code: 'report_conflict' })
    const lost = await leased()
    await server.database.knex.raw(`update results set state = 'over', outcome = 'no_reply' where id = ?`, [
      lost.resultId,
    ])
    expect(await send(failure(lost.resultId))).toMatchObject({ code: 'report_stale' })
    expect(await send({ ...failure(lost.resultId), code: 'bored' })).toMatchObject({
      code: 'report_malformed',
    })
  })
})
