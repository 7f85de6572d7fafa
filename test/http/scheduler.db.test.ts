import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DAILY_QUOTA_START, LEASES_UNTRUSTED_MAX } from '#protocol/limits.ts'
import { SchedulerReply } from '#protocol/scheduler.ts'
import { generateEd25519 } from '#protocol/signature.ts'
import { type ResultId, toWire, type UserId } from '#protocol/units.ts'
import { requestArtifacts } from '#store/files.ts'
import { setHostState } from '#store/hosts.ts'
import { addCampaign, addUser, runReport, sha256, T0, testIds, type UnitSpec } from '#support/builders.ts'
import { enrolHost, startServer, type TestHost, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: UserId
let ownerToken: string
let verifyToken: string

beforeAll(async () => {
  server = await startServer()
  const { knex } = server.database
  const researcher = await addUser(knex, 'researcher')
  owner = researcher.id
  ownerToken = researcher.token
  verifyToken = (await addUser(knex, 'platform', { scopes: ['verify'] })).token
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.knex.raw(
    `update results set state = 'over', outcome = 'not_needed' where state = 'unsent'`,
  )
})

const campaign = (units: readonly UnitSpec[]) => addCampaign(server.database.knex, server, owner, units)

async function hostRow(id: string) {
  const { rows } = await server.database.knex.raw('select * from hosts where id = ?', [id])
  return rows[0]
}

describe('who calls', () => {
  let host: TestHost
  beforeAll(async () => {
    host = await enrolHost(server)
  })

  test('no token, a wrong token, another host’s token', async () => {
    expect((await server.call('POST', '/api/v1/scheduler', { body: {} })).code).toBe('token_missing')
    const other = await enrolHost(server)
    for (const token of ['xh_wrong', other.token, ownerToken]) {
      const reply = await host.call({}, { token })
      expect({ status: reply.status, code: reply.code }).toEqual({ status: 401, code: 'token_unknown' })
    }
  })

  test('headers that are missing or malformed', async () => {
    const reply = await server.call('POST', '/api/v1/scheduler', { token: host.token, body: {} })
    expect(reply.code).toBe('bad_request')
    expect(reply.json).toMatchObject({ detail: expect.stringContaining('xeenet-host') })
    expect((await host.call({}, { call: 0 })).code).toBe('bad_request')
  })

  test('a signature by another key, over another body, or for another address', async () => {
    const { privateKey } = await generateEd25519()
    const lies = [{ privateKey }, { signedText: '{}' }, { path: '/api/v1/campaigns' }]
    for (const lie of lies) {
      const reply = await host.call({}, lie)
      expect({ status: reply.status, code: reply.code }).toEqual({ status: 401, code: 'signature_invalid' })
    }
    expect((await hostRow(host.id)).last_call).toBe(0)
  })

  test('a quarantined host hears that it is, until it is released', async () => {
    const { knex } = server.database
    const held = await enrolHost(server)
    await setHostState(knex, { id: held.id, state: 'quarantined', reason: 'test', now: T0 })
    expect((await held.call()).code).toBe('host_quarantined')
    await setHostState(knex, { id: held.id, state: 'active', reason: 'test', now: T0 })
    expect((await held.call()).status).toBe(200)
    await knex.raw(`update hosts set state = 'retired' where id = ?`, [held.id])
    expect((await held.call()).code).toBe('host_retired')
  })
})

describe('a malformed call is refused as a whole, and its number stays free', () => {
  test.each([
    ['an unknown field', { colour: 'blue' }],
    ['more reports than a call carries', { reports: Array.from({ length: 17 }, () => ({})) }],
    ['more leases wanted than a call carries', { want: 17 }],
    ['a negative wish', { want: -1 }],
    ['a lease list with a fraction above one', { held: [{ resultId: testIds.result(T0), fraction: 1.1 }] }],
    ['no cores', { cores: 0 }],
  ] as const)('%s', async (_what, words: object) => {
    const host = await enrolHost(server)
    expect((await host.call(words, { call: 1 })).code).toBe('bad_request')
    expect((await host.call({}, { call: 1 })).status).toBe(200)
  })

  test('a body that is too large', async () => {
    const host = await enrolHost(server)
    const reply = await host.call({}, { text: `"${'x'.repeat(3 * 1024 * 1024)}"` })
    expect({ status: reply.status, code: reply.code }).toEqual({ status: 413, code: 'body_too_large' })
  })
})

describe('call numbers', () => {
  test('a lost reply: the same call again gets the same bytes, and nothing happens twice', async () => {
    await campaign([{}, {}, {}])
    const host = await enrolHost(server)
    const first = await host.call({ want: 2 }, { call: 7 })
    expect(SchedulerReply.parse(first.json).leases).toHaveLength(2)
    server.advance(5_000)
    const again = await host.call({ want: 2 }, { call: 7 })
    expect(again.text).toBe(first.text)
    const { rows } = await server.database.knex.raw('select count(*) from results where host_id = ?', [
      host.id,
    ])
    expect(rows[0].count).toBe(2)
  })

  test('the same number with another body, or a lower number, is a replay', async () => {
    const host = await enrolHost(server)
    await host.call({}, { call: 7 })
    for (const [call, want] of [
      [7, 1],
      [6, 0],
    ] as const) {
      const reply = await host.call({ want }, { call })
      expect({ status: reply.status, code: reply.code }).toEqual({ status: 409, code: 'call_replayed' })
    }
    expect((await host.call({}, { call: 8 })).status).toBe(200)
  })

  test('fifty hosts calling at once are each answered once, with different work', async () => {
    await campaign(Array.from({ length: 60 }, () => ({})))
    const hosts = await Promise.all(Array.from({ length: 50 }, () => enrolHost(server)))
    const replies = await Promise.all(hosts.map(host => host.ask({ want: 2 })))
    const leases = replies.flatMap(reply => reply.leases)
    expect(leases).toHaveLength(100)
    expect(new Set(leases.map(lease => lease.resultId)).size).toBe(100)
    const reports = await Promise.all(
      replies.map(async ({ leases }, i) => {
        const made = await Promise.all(leases.map(lease => hosts[i]!.report(lease.resultId, runReport())))
        return hosts[i]!.ask({ reports: made, want: 2 })
      }),
    )
    expect(
      reports.flatMap(reply => reply.reports).filter(report => report.outcome === 'accepted'),
    ).toHaveLength(100)
    expect(reports.flatMap(reply => reply.leases).length).toBe(20)
  })

  test('calls of one host at the same moment are answered one after the other', async () => {
    const host = await enrolHost(server)
    const replies = await Promise.all([1, 2, 3, 4].map(call => host.call({}, { call })))
    const answered = replies.filter(reply => reply.status === 200)
    expect(answered.length).toBeGreaterThan(0)
    for (const reply of replies) if (reply.status !== 200) expect(reply.code).toBe('call_replayed')
    expect((await hostRow(host.id)).last_call).toBe(4)
  })
})

describe('what a lease says', () => {
  test('is everything that the run needs', async () => {
    const { id, units } = await campaign([{ deadlineMs: 30_000 }])
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

  test('the work unit wakes at the deadline, and deadlines grow with the attempt', async () => {
    const { units } = await campaign([{ deadlineMs: 30_000, quorum: 1 }])
    const { knex } = server.database
    await knex.raw('update results set attempt = 1 where id = ?', [units[0]!.resultIds[0]!])
    const host = await enrolHost(server)
    await host.ask({ want: 1 })
    const { rows } = await knex.raw(
      `select r.deadline, r.grace_until, w.wake_at, r.owner_key from results r join work_units w on w.id = r.work_unit_id
       where w.id = ?`,
      [units[0]!.id],
    )
    const deadline = new Date(server.now() + 60_000)
    expect(rows[0]).toEqual({
      ...{ deadline, wake_at: deadline, grace_until: new Date(+deadline + 60_000) },
      owner_key: `host:${host.id}`,
    })
  })

  test('leases that the host does not list are sent again; reported and listed ones are not', async () => {
    await campaign([{}, {}])
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
    await campaign([{}])
    const { token } = await addUser(server.database.knex, 'two-hosts', { scopes: ['enrol'] })
    const hosts = await Promise.all([1, 2].map(() => enrolHost(server, { token })))
    const replies = await Promise.all(hosts.map(host => host.ask({ want: 2 })))
    expect(replies.flatMap(reply => reply.leases)).toHaveLength(1)
    const stranger = await enrolHost(server)
    expect((await stranger.ask({ want: 2 })).leases).toHaveLength(1)
  })

  test('nobody computes a campaign of its own', async () => {
    await campaign([{}])
    const own = await enrolHost(server, { token: ownerToken })
    expect((await own.ask({ want: 1 })).leases).toEqual([])
  })

  test('a host whose memory is too small gets nothing', async () => {
    await campaign([{}])
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
    await campaign(Array.from({ length: 12 }, () => ({ createdAt })))
    const host = await enrolHost(server)
    const first = await host.ask({ want: 16 })
    expect(first.leases).toHaveLength(LEASES_UNTRUSTED_MAX)
    const held = first.leases.map(({ resultId }) => ({ resultId, fraction: 0 }))
    expect((await host.ask({ want: 16, held })).leases).toEqual([])
    const verifier = await enrolHost(server, { token: verifyToken })
    expect((await verifier.ask({ want: 16, cores: 3 })).leases).toHaveLength(6)
  })

  test('the quota of the day bounds what a host gets, until the next day', async () => {
    await campaign(Array.from({ length: 3 }, () => ({})))
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
    expect(await hostRow(host.id)).toMatchObject({ quota_used: 1, daily_quota: DAILY_QUOTA_START })
  })

  test('higher priority first, then older work units', async () => {
    const old = await campaign([{ createdAt: (T0 - 1000) as never }])
    const urgent = await campaign([{ priority: 1 }])
    await campaign(Array.from({ length: 20 }, () => ({ createdAt: (T0 + 1000) as never })))
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
    const { units } = await campaign([{ kind: 'check', quorum: 1 }])
    expect((await (await enrolHost(server)).ask({ want: 2 })).leases).toEqual([])
    const verifier = await enrolHost(server, { token: verifyToken })
    expect((await verifier.ask({ want: 2 })).leases).toMatchObject([{ workUnitId: units[0]!.id }])
  })

  test('a trusted host takes replicas that nobody took for a while, at once when owners are too few', async () => {
    server.advance(3600_000) // nobody was seen lately
    await campaign([{ quorum: 1, createdAt: server.now() }])
    const verifier = await enrolHost(server, { token: verifyToken })
    expect((await verifier.ask({ want: 1 })).leases).toHaveLength(1)
    for (let i = 0; i < 3; i++) await (await enrolHost(server)).ask()
    await campaign([{ quorum: 1, createdAt: server.now() }])
    const patient = await enrolHost(server, { token: verifyToken })
    expect((await patient.ask({ want: 1 })).leases).toEqual([])
    server.advance(60_000)
    expect((await patient.ask({ want: 1 })).leases).toHaveLength(1)
  })

  test('two trusted hosts do not compute replicas of one work unit for each other', async () => {
    server.advance(3600_000)
    await campaign([{ createdAt: server.now() }])
    const hosts = [
      await enrolHost(server, { token: verifyToken }),
      await enrolHost(server, { token: verifyToken }),
    ]
    const replies = [await hosts[0]!.ask({ want: 2 }), await hosts[1]!.ask({ want: 2 })]
    expect(replies.map(reply => reply.leases.length)).toEqual([1, 0])
  })

  test('work of a campaign that ended is given to nobody', async () => {
    const { id } = await campaign([{}])
    await server.database.knex.raw(
      `update campaigns set state = 'cancelled', ended_at = now() where id = ?`,
      [id],
    )
    expect((await (await enrolHost(server)).ask({ want: 1 })).leases).toEqual([])
  })
})

describe('what else a host hears', () => {
  async function holding(units: readonly UnitSpec[] = [{}]) {
    await campaign(units)
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

  test('each verdict once, with the credit it brought, and its balance', async () => {
    const { host, resultId } = await holding()
    await host.ask({ reports: [await host.report(resultId, runReport())] })
    const { knex } = server.database
    await knex.raw(
      `update results set verdict = 'valid', granted_milli = 10, verdict_told = false where id = ?`,
      [resultId],
    )
    await knex.raw(`insert into accounts values (?, 10)`, [`host:${host.id}`])
    const reply = await host.ask()
    expect(reply.verdicts).toEqual([{ resultId, verdict: 'valid', milli: 10 }])
    expect(reply.credit).toEqual({ balanceMilli: 10 })
    expect((await host.ask()).verdicts).toEqual([])
  })

  test('a verdict that another process holds waits for the next call', async () => {
    const { host, resultId } = await holding()
    await host.ask({ reports: [await host.report(resultId, runReport())] })
    const { knex } = server.database
    await knex.raw(`update results set verdict = 'invalid', verdict_told = false where id = ?`, [resultId])
    const trx = await knex.transaction()
    await trx.raw('select from results where id = ? for update', [resultId])
    expect((await host.ask()).verdicts).toEqual([])
    await trx.rollback()
    expect((await host.ask()).verdicts).toMatchObject([{ verdict: 'invalid', milli: 0 }])
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
    await campaign([{ createdAt: server.now() }])
    expect((await idle.ask({ want: 1 })).retryAfterMs).toBeLessThanOrEqual(1_200)
  })
})

test('two calls that lock each other’s results take turns instead of failing', async () => {
  await campaign(Array.from({ length: 4 }, () => ({})))
  const hosts = await Promise.all([1, 2].map(() => enrolHost(server)))
  const leases = await Promise.all(hosts.map(host => host.ask({ want: 2 })))
  const other = await startServerOn(server)
  const replies = await Promise.all(
    hosts.map(async (host, i) => {
      const reports = await Promise.all(
        leases[i]!.leases.map(lease => host.report(lease.resultId, runReport())),
      )
      return host.ask({ reports: i === 0 ? reports : reports.toReversed() })
    }),
  )
  expect(replies.flatMap(reply => reply.reports).every(report => report.outcome === 'accepted')).toBe(true)
  await other()
})

// A second process’s transaction over the same units, as the transitioner would hold them.
async function startServerOn({ database }: TestServer): Promise<() => Promise<void>> {
  const trx = await database.knex.transaction()
  await trx.raw(`select from work_units where state = 'open' order by id limit 1 for update`)
  setImmediate(() => void trx.commit())
  return async () => {
    await trx.executionPromise
  }
}
