import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MARKS } from '#protocol/limits.ts'
import { WorkUnitList } from '#protocol/lists.ts'
import type { RunReport } from '#protocol/report.ts'
import { runReport, sha256 } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let server: Scene['server']

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
})
afterAll(() => server.close())
beforeEach(() => scene.clear())

/** A host with this many confirmed results of 10 Gfuel each. */
async function provenHost(count = 10): Promise<TestHost> {
  const host = await enrolHost(server)
  await server.database.knex.raw(
    `insert into streaks (host_id, engine_class, count, fuel) values (?, 'wasm', ?, ?)`,
    [host.id, count, count * 1e10],
  )
  return host
}

/** Every run has a trace of its own. */
const runOf = (name: string, changes: Partial<RunReport> = {}): RunReport =>
  runReport({ trace: Array(MARKS).fill(sha256(name)), ...changes })

const leased = async (host: TestHost) => (await host.ask({ want: 16 })).leases.map(lease => lease.resultId)
const unit = { policy: 'adaptive', results: 1 } as const

describe('a lease', () => {
  test('says whether its host is proven for the unit, and has a stranger’s unit look for a partner at once', async () => {
    const { units } = await scene.campaign([unit, { ...unit, fuel: 5e11 }])
    server.woken.workUnits.length = 0
    const proven = await provenHost()
    expect((await leased(proven)).sort()).toEqual(units.flatMap(u => u.resultIds).sort())
    expect(await scene.row('results', units[0]!.resultIds[0]!)).toMatchObject({ proven: true })
    // A streak of 100 Gfuel is not five times 500.
    expect(await scene.row('results', units[1]!.resultIds[0]!)).toMatchObject({ proven: false })
    expect(server.woken.workUnits).toEqual([units[1]!.id])
  })

  test('is given to nobody who has yet to test itself', async () => {
    await scene.campaign([unit])
    const host = await enrolHost(server)
    await server.database.knex.raw(`update hosts set self_test = 'demanded' where id = ?`, [host.id])
    expect(await leased(host)).toEqual([])
    await server.database.knex.raw(`update hosts set self_test = 'failed' where id = ?`, [host.id])
    expect(await leased(host)).toHaveLength(1)
  })

  test('of a partner goes to a proven host; to a stranger once it waited, if proven owners are about', async () => {
    const [stranger, ...proven] = [await enrolHost(server), await provenHost(), await provenHost()]
    await scene.campaign([{ ...unit, lane: 'proven', createdAt: server.now() }])
    await proven[0]!.ask()
    await proven[1]!.ask()
    const third = await provenHost()
    await third.ask()
    expect(await leased(stranger)).toEqual([])
    server.advance(60_000)
    expect(await leased(stranger)).toHaveLength(1)
    await scene.campaign([{ ...unit, lane: 'proven', createdAt: server.now() }])
    expect(await leased(third)).toHaveLength(1)
  })

  test('of a canary goes to a stranger first', async () => {
    const [stranger, proven] = [await enrolHost(server), await provenHost()]
    for (const host of [await provenHost(), await provenHost(), proven]) await host.ask()
    await scene.campaign([{ ...unit, lane: 'unproven', createdAt: server.now() }])
    expect(await leased(proven)).toEqual([])
    expect(await leased(stranger)).toHaveLength(1)
  })
})

describe('a report', () => {
  async function reported(host: TestHost, run: (unitId: string) => RunReport) {
    const { units } = await scene.campaign([unit])
    const [resultId] = await leased(host)
    const reply = await host.ask({ reports: [await host.report(resultId!, run(units[0]!.id))] })
    expect(reply.reports).toMatchObject([{ outcome: 'accepted' }])
    return scene.row('results', resultId!)
  }

  test('of a proven host is drawn for a check or not, for ever, when it is accepted', async () => {
    const host = await provenHost(10)
    const draws: unknown[] = []
    for (let n = 0; n < 40; n++) {
      const row = await reported(host, runOf)
      expect(row).toMatchObject({ proven: true, metric: 3.25 })
      draws.push(row.draw)
    }
    // One in ten of forty; all or none would come about once in seventy runs of other seeds, never with these.
    expect(new Set(draws)).toContain('none')
    expect(draws.filter(draw => draw !== 'none').length).toBeGreaterThan(0)
  })

  test('that diverged is always checked by another', async () => {
    const diverged = (id: string) => runOf(id, { status: 'diverged', metric: null })
    expect(await reported(await provenHost(1000), diverged)).toMatchObject({ draw: 'replica', metric: null })
  })

  test('of a stranger stands in need of company anyway', async () => {
    expect(await reported(await enrolHost(server), runOf)).toMatchObject({ proven: false, draw: 'none' })
  })

  test.each([
    ['another fuel than a valid run of its experiment is the verifier’s to look at', true, 900, 'verifier'],
    ['the same fuel is like any other', true, 1000, 'none'],
    ['another fuel is like any other where the kernel’s fuel depends on the seed', false, 900, 'none'],
  ] as const)('with %s', async (_, steadyFuel, fuelUsed, draw) => {
    const { knex } = server.database
    await knex.raw(`update kernels set manifest = manifest || jsonb_build_object('steadyFuel', ?::boolean)`, [
      steadyFuel,
    ])
    const [first, second] = [await enrolHost(server), await enrolHost(server)]
    const { units } = await scene.campaign([unit, unit])
    const [one, other] = [units[0]!, units[1]!]
    await knex.raw(
      `update work_units set seed_index = 1, experiment_id = (select experiment_id from work_units where id = ?)
       where id = ?`,
      [one.id, other.id],
    )
    const [known, asked] = [one.resultIds[0]!, other.resultIds[0]!]
    expect((await leased(first)).toSorted()).toEqual([known, asked].toSorted())
    await knex.raw(`update results set host_id = ?, owner_key = 'another' where id = ?`, [second.id, asked])
    await first.ask({ reports: [await first.report(known, runOf(one.id, { fuelUsed: 1000 }))] })
    await knex.raw(`update results set verdict = 'valid' where id = ?`, [known])
    await knex.raw(
      `update work_units set state = 'valid', canonical_result_id = ?, closed_at = now() where id = ?`,
      [known, one.id],
    )
    const reply = await second.ask({ reports: [await second.report(asked, runOf(other.id, { fuelUsed }))] })
    expect(reply.reports).toMatchObject([{ outcome: 'accepted' }])
    expect(await scene.row('results', asked)).toMatchObject({ draw })
  })

  test('with the digest of another run is the verifier’s to look at: two recipes may be the same run', async () => {
    const [first, second] = [await provenHost(1000), await provenHost(1000)]
    await reported(first, () => runOf('the answer'))
    const another = (await scene.campaign([unit, unit])).units[1]! // the first is the same run
    const resultId = (await leased(second)).find(id => another.resultIds.includes(id))
    const reply = await second.ask({ reports: [await second.report(resultId!, runOf('the answer'))] })
    expect(reply.reports).toMatchObject([{ outcome: 'accepted' }])
    expect(await scene.row('results', resultId!)).toMatchObject({ proven: true, draw: 'verifier' })
    expect(await scene.row('hosts', second.id)).toMatchObject({ state: 'active' })
  })

  test('that a call gives for two runs is looked at for both', async () => {
    const host = await provenHost(1000)
    const { units } = await scene.campaign([unit, unit])
    const ids = (await leased(host)).filter(id => units.some(u => u.resultIds.includes(id)))
    const reports = await Promise.all(ids.map(id => host.report(id, runOf('one answer for all'))))
    expect((await host.ask({ reports })).reports).toMatchObject(Array(2).fill({ outcome: 'accepted' }))
    for (const id of ids) expect(await scene.row('results', id)).toMatchObject({ draw: 'verifier' })
  })
})

test('who lost a lease of a unit that is open again cannot send its published answer', async () => {
  const { units } = await scene.campaign([unit])
  const host = await enrolHost(server)
  const [resultId] = await leased(host)
  const over = `update results set state = 'over', outcome = 'no_reply', deadline = :past, grace_until = :past where id = :id`
  await server.database.knex.raw(over, { past: new Date(0), id: resultId! })
  const again = `update work_units set disputed = true, wanted_check = 'verifier', reopened_at = now() where id = ?`
  await server.database.knex.raw(again, [units[0]!.id])
  const reply = await host.ask({
    reports: [await host.report(resultId!, runOf('published'))],
    held: [{ resultId: resultId!, fraction: 0.5 }],
  })
  expect(reply.reports).toMatchObject([{ outcome: 'refused', code: 'report_stale' }])
  expect(reply.abort).toEqual([{ resultId, reason: 'too_late' }])
})

test('nobody sees before publication which units the verifier looks at', async () => {
  const { id, units } = await scene.campaign([unit, { ...unit, kind: 'check' }])
  const list = async () =>
    WorkUnitList.parse((await server.call('GET', `/api/v1/campaigns/${id}/work-units`)).json).workUnits
  expect(await list()).toMatchObject([{ results: [{ kind: 'replica' }] }, { results: [] }])
  const publish = `update work_units set state = 'cancelled', closed_at = now(), published_at = now() where id = ?`
  await server.database.knex.raw(publish, [units[1]!.id])
  expect((await list())[1]).toMatchObject({ results: [{ kind: 'check' }] })
})
