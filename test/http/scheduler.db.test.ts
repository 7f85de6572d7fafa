import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MARKS } from '#protocol/limits.ts'
import { SchedulerReply } from '#protocol/scheduler.ts'
import { generateEd25519 } from '#protocol/signature.ts'
import { setHostState } from '#store/hosts.ts'
import { runReport, sha256, T0, testIds } from '#support/builders.ts'
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

describe('who calls', () => {
  let host: TestHost
  beforeAll(async () => {
    host = await enrolHost(server)
  })

  test('no token, a wrong token, another host’s token', async () => {
    expect((await server.call('POST', '/api/v1/scheduler', { body: {} })).code).toBe('token_missing')
    const other = await enrolHost(server)
    for (const token of ['xh_wrong', other.token, scene.ownerToken]) {
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
    expect((await scene.row('hosts', host.id)).last_call).toBe(0)
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

/** Every run has a trace of its own. */
const runOf = (workUnitId: string) => runReport({ trace: Array(MARKS).fill(sha256(workUnitId)) })

describe('call numbers', () => {
  test('a lost reply: the same call again gets the same bytes, and nothing happens twice', async () => {
    await scene.campaign([{}, {}, {}])
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
    await scene.campaign(Array.from({ length: 60 }, () => ({})))
    const hosts = await Promise.all(Array.from({ length: 50 }, () => enrolHost(server)))
    const replies = await Promise.all(hosts.map(host => host.ask({ want: 2 })))
    const leases = replies.flatMap(reply => reply.leases)
    expect(leases).toHaveLength(100)
    expect(new Set(leases.map(lease => lease.resultId)).size).toBe(100)
    const reports = await Promise.all(
      replies.map(async ({ leases }, i) => {
        const made = await Promise.all(
          leases.map(lease => hosts[i]!.report(lease.resultId, runOf(lease.workUnitId))),
        )
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
    expect((await scene.row('hosts', host.id)).last_call).toBe(4)
  })
})

test('a report waits for whoever holds its work unit, and is then accepted', async () => {
  const { units } = await scene.campaign([{}])
  const host = await enrolHost(server)
  const [lease] = (await host.ask({ want: 1 })).leases
  const transitioner = await server.database.knex.transaction()
  await transitioner.raw('select from work_units where id = ? for update', [units[0]!.id])
  const answered = host.ask({ reports: [await host.report(lease!.resultId, runReport())] })
  await transitioner.raw('select from results where work_unit_id = ? for update', [units[0]!.id])
  await transitioner.raw('select from hosts where id = ? for update', [host.id])
  await transitioner.commit()
  expect((await answered).reports).toEqual([{ resultId: lease!.resultId, outcome: 'accepted' }])
})
