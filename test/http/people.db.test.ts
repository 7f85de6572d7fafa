import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { HostView } from '#protocol/host.ts'
import { DAILY_QUOTA_MIN, SELF_TESTS_FAILED_MAX } from '#protocol/limits.ts'
import { addHostEvents } from '#store/hosts.ts'
import { addUser, runReport } from '#support/builders.ts'
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

const exclude = (host: TestHost, reason = 'it lied') => scene.exclude(host.id, reason)

const viewOf = async (host: TestHost): Promise<HostView> =>
  HostView.parse((await host.say('GET', `/api/v1/hosts/${host.id}`)).json)

describe('a self-test', () => {
  const demand = (host: TestHost) =>
    server.database.knex.raw(`update hosts set self_test = 'demanded' where id = ?`, [host.id])

  test('that is demanded comes before any work, and its answer in the same call as work', async () => {
    await scene.campaign([{}, {}])
    const host = await enrolHost(server)
    await demand(host)
    const told = await host.ask({ want: 1 })
    expect(told).toMatchObject({ selfTest: true, leases: [] })
    expect(await host.ask({ want: 1 }), 'until it is answered').toMatchObject({ selfTest: true, leases: [] })
    const answered = await host.ask({ want: 1, selfTest: { passed: true, detail: 'sound' } })
    expect(answered.selfTest).toBeUndefined()
    expect(answered.leases).toHaveLength(1)
    expect((await scene.row('hosts', host.id)).self_test).toBe('passed')
    expect((await viewOf(host)).own).toMatchObject({ selfTest: 'passed' })
  })

  test('that fails leaves a host with a few tasks a day, and with a sentence why', async () => {
    await scene.campaign([{}, {}])
    const host = await enrolHost(server)
    await demand(host)
    const reply = await host.ask({ want: 1, selfTest: { passed: false, detail: 'digest 0a1b…' } })
    expect(reply.leases).toHaveLength(1)
    expect(await scene.row('hosts', host.id)).toMatchObject({
      self_test: 'failed',
      daily_quota: DAILY_QUOTA_MIN,
      state: 'active',
    })
    expect(reply.notices).toEqual([expect.stringContaining('check its memory, cooling and overclocking')])
    expect((await host.ask()).notices, 'told once').toEqual([])
  })

  test('that passes twice on a host whose results differ again and again means that it lied', async () => {
    await scene.campaign([{}, {}])
    const host = await enrolHost(server)
    await demand(host)
    await server.database.knex.raw(`update hosts set recent_checks = '=x=x==x' where id = ?`, [host.id])
    const sound = { want: 1, selfTest: { passed: true, detail: 'sound' } }
    expect(await host.ask(sound)).toMatchObject({ selfTest: true, leases: [] })
    expect(await scene.row('hosts', host.id)).toMatchObject({ state: 'active', self_test: 'demanded_again' })
    expect((await host.ask(sound)).leases).toEqual([])
    expect(await scene.row('hosts', host.id)).toMatchObject({ state: 'quarantined', self_test: 'passed' })
    const { rows } = await server.database.knex.raw('select reason from exclusions where host_id = ?', [
      host.id,
    ])
    expect(rows).toEqual([{ reason: expect.stringContaining('although its self-test passed') }])
    expect((await host.call()).json).toMatchObject({
      code: 'host_quarantined',
      detail: expect.stringContaining('differ from trusted re-runs'),
    })
  })

  test('that fails on such a host excludes nobody', async () => {
    const host = await enrolHost(server)
    await demand(host)
    await server.database.knex.raw(`update hosts set recent_checks = 'xxxx' where id = ?`, [host.id])
    await host.ask({ selfTest: { passed: false, detail: 'bits flip' } })
    expect((await scene.row('hosts', host.id)).state).toBe('active')
  })

  test('that fails for the fifth time ends the host, with a sentence: its owner mends it and enrols it again', async () => {
    await scene.campaign([{}, {}])
    const host = await enrolHost(server)
    const fail = async (want = 0) => {
      await demand(host)
      return host.ask({ want, selfTest: { passed: false, detail: 'bits flip' } })
    }
    for (let n = 1; n < SELF_TESTS_FAILED_MAX; n++) await fail()
    expect((await scene.row('hosts', host.id)).state).toBe('active')
    const last = await fail(1)
    expect(last.leases).toEqual([])
    expect(last.notices).toContainEqual(expect.stringContaining('enrol it again'))
    expect((await host.call()).code).toBe('host_retired')
    expect(
      (await server.database.knex.raw('select 1 from exclusions where host_id = ?', [host.id])).rows,
    ).toEqual([])
  })

  test('that nobody asked for is not believed', async () => {
    const host = await enrolHost(server)
    await host.ask({ selfTest: { passed: true, detail: 'I am fine' } })
    expect((await scene.row('hosts', host.id)).self_test).toBe('none')
  })

  test('a lease that a host holds already is not taken from it', async () => {
    await scene.campaign([{}])
    const host = await enrolHost(server)
    const [lease] = (await host.ask({ want: 1 })).leases
    await demand(host)
    const reply = await host.ask({ reports: [await host.report(lease!.resultId, runReport())] })
    expect(reply.reports[0]!.outcome).toBe('accepted')
  })
})

describe('notices', () => {
  const note = (host: TestHost, event: string, detail = '') =>
    addHostEvents(server.database.knex, [{ hostId: host.id, event, detail }], server.now())

  test('are told in order, once, and again with the repeated reply', async () => {
    const host = await enrolHost(server)
    await note(host, 'differs_from_trusted', 'result r_1')
    await note(host, 'disputed')
    await note(host, 'released', 'looked into')
    const first = await host.call({}, { call: 3 })
    expect((await host.call({}, { call: 3 })).text).toBe(first.text)
    const { notices } = JSON.parse(first.text)
    expect(notices).toEqual([
      expect.stringContaining('differs from a trusted re-run'),
      'This machine gets work again: looked into.',
    ])
    expect((await host.ask()).notices).toEqual([])
    const own = (await viewOf(host)).own!
    expect(own.notices.map(({ text }) => text)).toEqual(notices.toReversed())
  })

  test('a host that was away hears the newest few', async () => {
    const host = await enrolHost(server)
    for (let i = 0; i < 12; i++) await note(host, 'released', `number ${i}`)
    const { notices } = await host.ask()
    expect(notices).toHaveLength(8)
    expect(notices.at(-1)).toContain('number 11')
    expect((await host.ask()).notices).toEqual([])
  })

  test('a quarantined host is refused with the sentence that says why, and how to appeal', async () => {
    const host = await enrolHost(server)
    await exclude(host, 'three results differ from trusted re-runs')
    const reply = await host.call()
    expect(reply.json).toMatchObject({
      code: 'host_quarantined',
      detail: expect.stringContaining('three results differ from trusted re-runs'),
    })
    expect(reply.text).toContain('xeenet host appeal')
  })

  test('a host that fails time after time is told, once', async () => {
    const { units } = await scene.campaign(Array.from({ length: 12 }, () => ({})))
    expect(units).toHaveLength(12)
    const host = await enrolHost(server)
    const heard: string[] = []
    for (let i = 0; i < 10; i++) {
      const { leases, notices } = await host.ask({ want: 1 })
      heard.push(...notices)
      const reports = leases.map(({ resultId }) => ({
        ...{ resultId, outcome: 'error', code: 'out_of_memory', detail: '', cpuMs: 1 },
      }))
      heard.push(...(await host.ask({ reports })).notices)
    }
    expect(heard).toEqual([expect.stringContaining('only a few tasks a day')])
  })

  test('only the host and its user see them', async () => {
    const user = await addUser(server.database.knex, 'vera')
    const host = await enrolHost(server, { token: user.token })
    await note(host, 'released', 'looked into')
    const path = `/api/v1/hosts/${host.id}`
    expect((await server.call('GET', path)).json).not.toHaveProperty('own')
    expect((await server.call('GET', path)).json).not.toHaveProperty('credit')
    expect((await server.call('GET', path, { token: scene.ownerToken })).json).not.toHaveProperty('own')
    const own = (await server.call('GET', path, { token: user.token })).json
    expect(own).toHaveProperty('own.notices.0.text')
    expect(own).toHaveProperty('credit.heldMilli', 0)
    const other = await enrolHost(server)
    expect((await other.say('GET', path)).code).toBe('signature_invalid')
  })
})

describe('an account that is deleted', () => {
  test('leaves its results, its ledger rows and its deeds, and nothing that leads to it', async () => {
    const { knex } = server.database
    const user = await addUser(knex, 'Erika Mustermann', { milli: 5_000 })
    await scene.campaign([{}])
    const host = await enrolHost(server, { token: user.token, headers: { 'x-forwarded-for': '203.0.113.9' } })
    const [lease] = (await host.ask({ want: 1 })).leases
    await exclude(host, 'an old affair')
    await host.say('POST', `/api/v1/hosts/${host.id}/appeal`, { text: 'I am Erika.' })
    expect((await server.call('DELETE', '/api/v1/me', { token: user.token })).json).toEqual({
      userId: user.id,
      deleted: true,
    })
    expect((await server.call('GET', '/api/v1/me', { token: user.token })).code).toBe('token_unknown')
    expect((await host.call()).code).toBe('host_retired')
    const rest = await Promise.all(
      ['users', 'hosts', 'actions', 'action_hosts', 'appeals', 'pseudonyms', 'transfers', 'results'].map(
        async table => JSON.stringify((await knex.raw('select * from ??', [table])).rows),
      ),
    )
    const [, , deeds, links, words, names, ledger] = rest
    for (const text of rest) expect(text).not.toMatch(/Erika|Mustermann/)
    expect(deeds).toContain('an old affair')
    for (const text of [deeds, links, words, names]) expect(text).not.toContain(user.id)
    expect(links).not.toContain(host.id)
    expect(names).not.toContain(host.id)
    expect(ledger).toContain(`user:${user.id}`)
    expect((await scene.row('hosts', host.id)).prefix).toBeNull()
    expect((await scene.row('results', lease!.resultId)).state).toBe('over')
    expect(server.woken.workUnits).toContain(lease!.workUnitId)
  })

  test('is not deleted by an enrolment token, nor while its campaigns run, nor if it is an operator’s', async () => {
    const { knex } = server.database
    const user = await addUser(knex, 'finn', { scopes: ['enrol'] })
    expect((await server.call('DELETE', '/api/v1/me', { token: user.token })).code).toBe('scope_missing')
    await scene.campaign([{}])
    const reply = await server.call('DELETE', '/api/v1/me', { token: scene.ownerToken })
    expect({ status: reply.status, code: reply.code }).toEqual({ status: 409, code: 'campaigns_running' })
    const boss = await addUser(knex, 'boss')
    await knex.raw(`update users set roles = '{operator}' where id = ?`, [boss.id])
    expect((await server.call('DELETE', '/api/v1/me', { token: boss.token })).code).toBe('scope_missing')
    expect((await server.call('GET', '/api/v1/me', { token: boss.token })).status).toBe(200)
  })
})
