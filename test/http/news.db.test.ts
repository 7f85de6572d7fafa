import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ResultId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { requestArtifacts } from '#store/files.ts'
import { giveVerdicts, unjudgeResults } from '#store/verdicts.ts'
import { lockWorkUnits } from '#store/work-units.ts'
import { runReport, sha256, T0, testIds, type UnitSpec } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost } from '#support/server.ts'

let scene: Scene
let server: Scene['server']

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
})
afterAll(() => server.close())
beforeEach(() => scene.clear())

describe('what else a host hears', () => {
  async function holding(units: readonly UnitSpec[] = [{}]) {
    await scene.campaign(units)
    const host = await enrolHost(server)
    const { leases } = await host.ask({ want: 1 })
    const { resultId, workUnitId } = leases[0]!
    return { host, resultId, workUnitId, held: [{ resultId, fraction: 0.1 }] }
  }
  const over = (id: ResultId, outcome: string) =>
    server.database.knex.raw(`update results set state = 'over', outcome = ? where id = ?`, [outcome, id])

  test('to drop what is cancelled or not needed, and what it never had', async () => {
    for (const outcome of ['cancelled', 'not_needed']) {
      const { host, resultId, held } = await holding()
      await over(resultId, outcome)
      expect((await host.ask({ held })).abort).toEqual([{ resultId, reason: outcome }])
    }
    const { host, resultId } = await holding()
    const stranger = await enrolHost(server)
    const unknown = testIds.result(T0)
    const held = [resultId, unknown].map(id => ({ resultId: id, fraction: 0 }))
    expect((await stranger.ask({ held })).abort).toEqual([
      { resultId, reason: 'unknown' },
      { resultId: unknown, reason: 'unknown' },
    ])
    expect((await host.ask({ held: held.slice(0, 1) })).abort).toEqual([])
  })

  test('to go on after its deadline while the report would count, and to stop when it would not', async () => {
    const { host, resultId, workUnitId, held } = await holding()
    await over(resultId, 'no_reply')
    expect((await host.ask({ held })).abort).toEqual([])
    await server.database.knex.raw(
      `update work_units set state = 'cancelled', closed_at = now() where id = ?`,
      [workUnitId],
    )
    server.advance(120_001)
    expect((await host.ask({ held })).abort).toEqual([{ resultId, reason: 'too_late' }])
  })

  test('to go on although another was faster, until its grace is over', async () => {
    const { host, resultId, workUnitId, held } = await holding()
    await over(resultId, 'cancelled')
    await server.database.knex.raw(
      `update work_units set state = 'valid', canonical_result_id = ?, closed_at = now() where id = ?`,
      [resultId, workUnitId],
    )
    expect((await host.ask({ held })).abort).toEqual([])
    server.advance(120_001)
    expect((await host.ask({ held })).abort).toEqual([{ resultId, reason: 'cancelled' }])
  })

  test('each verdict once, with the credit it brought, and its balance', async () => {
    const { host, resultId } = await holding()
    await host.ask({ reports: [await host.report(resultId, runReport())] })
    const { knex } = server.database
    await knex.raw(
      `update results set verdict = 'valid', granted_milli = 10, granted_decision = 0 where id = ?`,
      [resultId],
    )
    await knex.raw(`insert into accounts values (?, 10)`, [`host:${host.id}`])
    const reply = await host.ask()
    expect(reply.verdicts).toEqual([{ resultId, verdict: 'valid', milli: 10 }])
    expect(reply.credit).toEqual({ balanceMilli: 10, heldMilli: 0, pendingMilli: 0 })
    expect((await host.ask()).verdicts).toEqual([])
  })

  test('a verdict while another process has its result locked: nobody waits', async () => {
    const { host, resultId } = await holding()
    await host.ask({ reports: [await host.report(resultId, runReport())] })
    const { knex } = server.database
    await knex.raw(`update results set verdict = 'invalid' where id = ?`, [resultId])
    const trx = await knex.transaction()
    await trx.raw('select from results where id = ? for update', [resultId])
    expect((await host.ask()).verdicts).toMatchObject([{ verdict: 'invalid', milli: 0 }])
    await trx.rollback()
    expect((await host.ask()).verdicts).toEqual([])
  })

  test('a verdict that was told and is another now', async () => {
    const { host, resultId, workUnitId } = await holding()
    await host.ask({ reports: [await host.report(resultId, runReport())] })
    const { knex } = server.database
    const judge = (verdict: 'valid' | 'inconclusive') =>
      inTransaction(knex, async trx => {
        const [{ workUnit } = { workUnit: undefined }] = await lockWorkUnits(trx, [workUnitId])
        const decided = { resultId, verdict, amountMilli: 0, confirmed: false, provisional: false }
        return giveVerdicts(trx, [{ workUnit: workUnit!, verdicts: [decided] }])
      })
    for (const verdict of ['inconclusive', 'valid', 'valid'] as const) {
      expect(await judge(verdict)).toBe(1)
      expect((await host.ask()).verdicts).toMatchObject([{ resultId, verdict }])
      expect((await host.ask()).verdicts).toEqual([])
      await inTransaction(knex, trx => unjudgeResults(trx, [resultId], []))
      expect((await host.ask()).verdicts).toEqual([])
    }
  })

  test('which artifacts are wanted, until they are there', async () => {
    const { host, resultId } = await holding()
    await host.ask({ reports: [await host.report(resultId, runReport())] })
    expect(await requestArtifacts(server.database.knex, [resultId], server.now())).toBe(1)
    const sha = sha256('weights 3.25')
    expect((await host.ask()).wanted).toEqual([{ resultId, sha256: sha }])
  })

  test('to come back soon while there is work, and later the longer there is none', async () => {
    const { host, held } = await holding([{}, {}])
    const busy = await host.ask({ want: 1, held })
    expect(busy.leases).toHaveLength(1)
    expect(busy.retryAfterMs).toBeLessThanOrEqual(1_200)
    const idle = await enrolHost(server)
    await server.database.knex.raw(
      `update results set state = 'over', outcome = 'not_needed' where state = 'unsent'`,
    )
    const waits: number[] = []
    for (const seconds of [0, 20, 100, 1_000]) {
      server.advance(seconds * 1_000)
      waits.push((await idle.ask({ want: 1 })).retryAfterMs)
    }
    const [first, second, third, last] = waits
    expect(first).toBeLessThanOrEqual(1_200)
    expect(second).toBeGreaterThan(first!)
    expect(third).toBeGreaterThan(second!)
    expect(last).toBeLessThanOrEqual(72_000)
    await scene.campaign([{ createdAt: server.now() }])
    expect((await idle.ask({ want: 1 })).retryAfterMs).toBeLessThanOrEqual(1_200)
  })
})
