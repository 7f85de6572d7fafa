import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { splitOf } from '#protocol/dataset.ts'
import { DAILY_QUOTA_START, LEASES_UNTRUSTED_MAX } from '#protocol/limits.ts'
import { instant, type Sha256, toWire } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { insertDataset } from '#store/datasets.ts'
import { lockDueWorkUnits } from '#store/wakes.ts'
import { addCampaign, addUser, runReport, sha256, T0 } from '#support/builders.ts'
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

describe('what a lease says', () => {
  test('is everything that the run needs', async () => {
    const { id, units } = await scene.campaign([{ deadlineMs: 30_000 }])
    const host = await enrolHost(server)
    const { leases } = await host.ask({ want: 1 })
    expect(leases).toMatchObject([
      {
        ...{ workUnitId: units[0]!.id, campaign: { id, title: 'Which learning rate?' } },
        kernel: {
          name: 'tiny',
          version: 0,
          release: { statement: { moduleSha256: server.kernel.moduleSha256 } },
        },
        data: server.dataset.splits.map(({ sha256, bytes }) => ({ sha256, bytes })),
        ...{ fuelMax: 1e9, memoryPagesMax: 256, deadline: toWire((server.now() + 30_000) as never) },
      },
    ])
    expect(JSON.parse(leases[0]!.job)).toMatchObject({ kernel: 'tiny@0', task: 'train', seed: 7 })
  })

  test('the work unit is due at the deadline, and deadlines grow with the attempt', async () => {
    const { units } = await scene.campaign([{ deadlineMs: 30_000, quorum: 1 }])
    const { knex } = server.database
    await knex.raw('update results set attempt = 1 where id = ?', [units[0]!.resultIds[0]!])
    const host = await enrolHost(server)
    await host.ask({ want: 1 })
    const { rows } = await knex.raw(
      `select deadline, grace_until, owner_key from results where work_unit_id = ?`,
      [units[0]!.id],
    )
    const deadline = new Date(server.now() + 60_000)
    expect(rows[0]).toEqual({
      ...{ deadline, grace_until: new Date(+deadline + 60_000) },
      owner_key: `host:${host.id}`,
    })
    await knex.raw('delete from touched_units')
    await knex.raw(`update live_units set wake_at = null`)
    const dueAt = async (ms: number) =>
      (await inTransaction(knex, trx => lockDueWorkUnits(trx, instant(+deadline + ms), 9))).ids
    expect(await dueAt(-1)).not.toContain(units[0]!.id)
    expect(await dueAt(0)).toContain(units[0]!.id)
    await knex.raw(`update work_units set awaits = 'repair' where id = ?`, [units[0]!.id]) // the code cannot get over it
    expect(await dueAt(0)).not.toContain(units[0]!.id)
  })

  test('leases that the host does not list are sent again; reported and listed ones are not', async () => {
    await scene.campaign([{}, {}])
    const host = await enrolHost(server)
    const { leases } = await host.ask({ want: 2 })
    const [kept, lost] = leases
    const again = await host.ask({ held: [{ resultId: kept!.resultId, fraction: 0.25 }] })
    expect(again.leases).toEqual([lost])
    const held = leases.map(({ resultId }) => ({ resultId, fraction: 0.5 }))
    expect((await host.ask({ held })).leases).toEqual([])
    const reports = [await host.report(kept!.resultId, runReport()), { resultId: lost!.resultId }]
    expect((await host.ask({ reports })).leases).toEqual([])
    const { rows } = await server.database.knex.raw('select fraction from results where id = ?', [
      lost!.resultId,
    ])
    expect(rows[0].fraction).toBe(0.5)
  })
})

describe('who gets what', () => {
  test('an owner gets one result of a work unit, on whatever host', async () => {
    await scene.campaign([{}])
    const { token } = await addUser(server.database.knex, 'two-hosts', { scopes: ['enrol'] })
    const hosts = await Promise.all([1, 2].map(() => enrolHost(server, { token })))
    const replies = await Promise.all(hosts.map(host => host.ask({ want: 2 })))
    expect(replies.flatMap(reply => reply.leases)).toHaveLength(1)
    const stranger = await enrolHost(server)
    expect((await stranger.ask({ want: 2 })).leases).toHaveLength(1)
  })

  test('a host gets first what it has the data of', async () => {
    const { knex } = server.database
    const train = { name: 'train' as const, bytes: 9, sha256: sha256('a hen') }
    const hen = {
      ...server.dataset,
      name: 'hen',
      sha256: sha256('hen@1'),
      splits: [train, splitOf(server.dataset, 'val')],
    }
    await insertDataset(knex, hen, server.now())
    const units = Array.from({ length: 4 }, () => ({ quorum: 1 }))
    const fox = await scene.campaign(units)
    const { id } = await addCampaign(knex, { ...server, dataset: hen }, scene.owner, units)
    const ask = async (files: Sha256[]) =>
      (await (await enrolHost(server)).ask({ want: 2, files })).leases.map(({ campaign }) => campaign.id)
    expect(await ask([train.sha256])).toEqual([id, id])
    expect(await ask([sha256('nothing'), sha256(server.train)])).toEqual([fox.id, fox.id])
    expect(await ask([train.sha256])).toEqual([id, id])
    expect(await ask([train.sha256])).toEqual([fox.id, fox.id]) // nothing else is left
  })

  test('nobody computes a campaign of its own', async () => {
    await scene.campaign([{}])
    const own = await enrolHost(server, { token: scene.ownerToken })
    expect((await own.ask({ want: 1 })).leases).toEqual([])
  })

  test('a host whose memory is too small gets nothing', async () => {
    await scene.campaign([{}])
    const host = await enrolHost(server)
    expect((await host.ask({ want: 1, memoryMiB: 64 })).leases).toHaveLength(1) // 256 pages are 16 MiB
    await server.database.knex.raw(
      `update kernels set manifest = jsonb_set(manifest, '{memoryPagesMax}', '2000')`,
    )
    expect((await (await enrolHost(server)).ask({ want: 1, memoryMiB: 64 })).leases).toEqual([])
    await server.database.knex.raw(
      `update kernels set manifest = jsonb_set(manifest, '{memoryPagesMax}', '256')`,
    )
  })

  test('a stranger holds at most two leases, a trusted host two a core', async () => {
    const createdAt = (server.now() - 120_000) as never
    await scene.campaign(Array.from({ length: 12 }, () => ({ createdAt })))
    const host = await enrolHost(server)
    const first = await host.ask({ want: 16 })
    expect(first.leases).toHaveLength(LEASES_UNTRUSTED_MAX)
    const held = first.leases.map(({ resultId }) => ({ resultId, fraction: 0 }))
    expect((await host.ask({ want: 16, held })).leases).toEqual([])
    const verifier = await enrolHost(server, { token: scene.verifyToken })
    expect((await verifier.ask({ want: 16, cores: 3 })).leases).toHaveLength(6)
  })

  test('the quota of the day bounds what a host gets, until the next day', async () => {
    await scene.campaign(Array.from({ length: 3 }, () => ({})))
    const host = await enrolHost(server)
    await server.database.knex.raw(
      'update hosts set quota_used = daily_quota - 1, quota_day = ? where id = ?',
      [toWire(server.now()).slice(0, 10), host.id],
    )
    const { leases } = await host.ask({ want: 2 })
    expect(leases).toHaveLength(1)
    const held = leases.map(({ resultId }) => ({ resultId, fraction: 0 }))
    expect((await host.ask({ want: 2, held })).leases).toEqual([])
    server.advance(24 * 3600_000)
    expect((await host.ask({ want: 2, held })).leases).toHaveLength(1)
    expect(await scene.row('hosts', host.id)).toMatchObject({ quota_used: 1, daily_quota: DAILY_QUOTA_START })
  })

  test('higher priority first, then older work units', async () => {
    const old = await scene.campaign([{ createdAt: (T0 - 1000) as never }])
    const urgent = await scene.campaign([{ priority: 1 }])
    await scene.campaign(Array.from({ length: 20 }, () => ({ createdAt: (T0 + 1000) as never })))
    const host = await enrolHost(server)
    // The window mixes eight results: the four of these two units are among the first.
    const order = await server.database.knex.raw(
      `select w.id from work_units w join results r on r.work_unit_id = w.id where r.state = 'unsent'
       order by r.priority desc, w.id limit 4`,
    )
    const first = new Set(order.rows.map((row: { id: string }) => row.id))
    expect(first).toEqual(new Set([urgent.units[0]!.id, old.units[0]!.id]))
    expect((await host.ask({ want: 1 })).leases).toHaveLength(1)
  })

  test('checks go to trusted hosts only', async () => {
    const { units } = await scene.campaign([{ kind: 'check', quorum: 1 }])
    expect((await (await enrolHost(server)).ask({ want: 2 })).leases).toEqual([])
    const verifier = await enrolHost(server, { token: scene.verifyToken })
    expect((await verifier.ask({ want: 2 })).leases).toMatchObject([{ workUnitId: units[0]!.id }])
  })

  test('a trusted host takes replicas that nobody took for a while, at once when owners are too few', async () => {
    server.advance(3600_000) // nobody was seen lately
    await scene.campaign([{ quorum: 1, createdAt: server.now() }])
    const verifier = await enrolHost(server, { token: scene.verifyToken })
    expect((await verifier.ask({ want: 1 })).leases).toHaveLength(1)
    for (let i = 0; i < 3; i++) await (await enrolHost(server)).ask()
    await scene.campaign([{ quorum: 1, createdAt: server.now() }])
    const patient = await enrolHost(server, { token: scene.verifyToken })
    expect((await patient.ask({ want: 1 })).leases).toEqual([])
    server.advance(60_000)
    expect((await patient.ask({ want: 1 })).leases).toHaveLength(1)
  })

  test('two trusted hosts do not compute replicas of one work unit for each other', async () => {
    server.advance(3600_000)
    await scene.campaign([{ createdAt: server.now() }])
    const hosts = [
      await enrolHost(server, { token: scene.verifyToken }),
      await enrolHost(server, { token: scene.verifyToken }),
    ]
    const replies = [await hosts[0]!.ask({ want: 2 }), await hosts[1]!.ask({ want: 2 })]
    expect(replies.map(reply => reply.leases.length)).toEqual([1, 0])
  })

  test('work of a campaign that ended is given to nobody', async () => {
    const { id } = await scene.campaign([{}])
    await server.database.knex.raw(
      `update campaigns set state = 'cancelled', ended_by = 'owner', ended_at = now() where id = ?`,
      [id],
    )
    expect((await (await enrolHost(server)).ask({ want: 1 })).leases).toEqual([])
  })
})
