import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CSRF_HEADER } from '#protocol/cookies.ts'
import { ClaimReply } from '#protocol/people.ts'
import { inTransaction } from '#store/database.ts'
import { setHostState } from '#store/hosts.ts'
import { audit, balanceOf, post } from '#store/ledger.ts'
import { joinedBrowser } from '#support/browser-client.ts'
import { addToken, addUser, runReport } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let server: Scene['server']
let user: { id: string; token: string }
let names = 0

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
})
afterAll(() => server.close())
beforeEach(async () => {
  await scene.clear()
  user = await addUser(server.database.knex, `claimant ${++names}`)
})

const claim = (host: TestHost, userToken = user.token, how: { privateKey?: string; call?: number } = {}) =>
  host.say('POST', `/api/v1/hosts/${host.id}/claim`, { userToken }, how)

const balance = (account: Parameters<typeof balanceOf>[1]) =>
  inTransaction(server.database.knex, trx => balanceOf(trx, account))

describe('a claim', () => {
  test('moves an anonymous host, its credit and what is held for it to the account, once', async () => {
    const host = await enrolHost(server)
    const nothing = { campaignId: null, resultId: null, grants: null, reason: null }
    const earn = { kind: 'grant', debit: 'mint', ...nothing } as const
    await inTransaction(server.database.knex, trx =>
      post(
        trx,
        [
          { ...earn, key: 'earned', credit: `host:${host.id}`, amountMilli: 70 },
          { ...earn, key: 'held', credit: `held:host:${host.id}`, amountMilli: 5 },
        ],
        server.now(),
      ),
    )
    const reply = await claim(host)
    const moved = { hostId: host.id, userId: user.id, movedMilli: 75, voided: 0 }
    expect({ status: reply.status, json: ClaimReply.parse(reply.json) }).toEqual({ status: 200, json: moved })
    expect((await claim(host)).json, 'again').toEqual({ ...moved, movedMilli: 0 })
    expect(await balance(`user:${user.id}` as never)).toBe(70)
    expect(await balance(`held:user:${user.id}` as never)).toBe(5)
    expect(await balance(`host:${host.id}`)).toBe(0)
    const sound = { sumMilli: 0, differences: [], campaigns: [] }
    expect(await inTransaction(server.database.knex, audit)).toMatchObject(sound)
    const row = await scene.row('hosts', host.id)
    expect(row).toMatchObject({ user_id: user.id, owner_key: `user:${user.id}` })
    expect((await host.ask()).notices).toEqual([expect.stringContaining('belongs to an account now')])
    expect((await server.call('GET', '/api/v1/me', { token: user.token })).text).toContain(host.id)
  })

  test('needs the host’s key and a token that may enrol: either alone claims nothing', async () => {
    const host = await enrolHost(server)
    const other = await enrolHost(server)
    expect((await claim(host, user.token, { privateKey: other.privateKey })).code).toBe('signature_invalid')
    expect((await other.say('POST', `/api/v1/hosts/${host.id}/claim`, { userToken: user.token })).code).toBe(
      'signature_invalid',
    )
    expect((await claim(host, 'xu_nobody')).code).toBe('token_unknown')
    const campaign = await addToken(server.database.knex, user.id as never, { scopes: ['campaign'] })
    expect((await claim(host, campaign)).code).toBe('scope_missing')
    const path = `/api/v1/hosts/${host.id}/claim`
    const bare = await server.call('POST', path, { token: user.token, body: { userToken: user.token } })
    expect(bare.code).toBe('bad_request')
    expect((await scene.row('hosts', host.id)).user_id).toBeNull()
  })

  test('without a token is for the account that logged in in the browser, by a page of ours', async () => {
    const { browser, name, userId } = await joinedBrowser(server)
    await browser.call('DELETE', '/session')
    expect((await browser.logIn(name)).status).toBe(200) // an account that was there before
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const proof = browser.cookies.get('xeenet_csrf') ?? ''
    const ways = [
      ['token_missing', {}],
      ['csrf_refused', { cookie, origin: server.url }],
      ['csrf_refused', { cookie, origin: 'https://evil.example', [CSRF_HEADER]: proof }],
      ['csrf_refused', { cookie, 'sec-fetch-site': 'cross-site', [CSRF_HEADER]: proof }],
      [undefined, { cookie, origin: server.url, 'sec-fetch-site': 'same-origin', [CSRF_HEADER]: proof }],
    ] as const
    for (const [code, headers] of ways) {
      const host = await enrolHost(server, { headers })
      const reply = await host.say('POST', `/api/v1/hosts/${host.id}/claim`, {})
      expect(reply.code, JSON.stringify(headers)).toBe(code)
      expect((await scene.row('hosts', host.id)).user_id).toBe(code === undefined ? userId : null)
    }
  })

  test('that somebody recorded is refused when it is said again', async () => {
    const host = await enrolHost(server)
    await host.ask()
    expect((await claim(host, user.token, { call: 1 })).code).toBe('call_replayed')
    expect((await scene.row('hosts', host.id)).user_id).toBeNull()
    expect((await claim(host, user.token, { call: 7 })).status).toBe(200)
    expect((await claim(host, user.token, { call: 7 })).code).toBe('call_replayed')
    expect((await host.call({}, { call: 7 })).code).toBe('call_replayed')
    expect((await host.call({}, { call: 8 })).status).toBe(200)
  })

  test('of a host that has an owner, is looked into, or is the operator’s is refused', async () => {
    const { knex } = server.database
    const owned = await enrolHost(server, { token: scene.ownerToken })
    expect((await claim(owned)).code).toBe('host_claimed')
    const verifier = await enrolHost(server, { token: scene.verifyToken })
    expect((await claim(verifier)).code).toBe('host_barred')
    const caught = await enrolHost(server)
    await setHostState(knex, { id: caught.id, state: 'quarantined', reason: 'it lied', now: server.now() })
    expect((await claim(caught)).code).toBe('host_barred')
    const retired = await enrolHost(server)
    await knex.raw(`update hosts set state = 'retired' where id = ?`, [retired.id])
    expect((await claim(retired)).code).toBe('host_retired')
  })

  test('two claims at once: one account gets the host', async () => {
    const host = await enrolHost(server)
    const rival = await addUser(server.database.knex, `rival ${++names}`)
    const replies = await Promise.all([claim(host), claim(host, rival.token)])
    const winner = replies.findIndex(reply => reply.status === 200)
    // A claim that was overtaken on the way is refused for its call number, before anybody asks whose the host is.
    expect(['host_claimed', 'call_replayed']).toContain(replies[1 - winner]?.code)
    expect((await scene.row('hosts', host.id)).user_id).toBe([user.id, rival.id][winner])
  })
})

describe('what a claim does to work that both had', () => {
  test('an open unit with a result of each waits for a trusted host, whatever they agree on', async () => {
    const { units } = await scene.campaign([{}])
    const mine = await enrolHost(server, { token: user.token })
    const anonymous = await enrolHost(server)
    for (const host of [mine, anonymous]) {
      const [lease] = (await host.ask({ want: 1 })).leases
      if (host === mine) await host.ask({ reports: [await host.report(lease!.resultId, runReport())] })
    }
    expect((await claim(anonymous)).json).toMatchObject({ voided: 1 })
    expect(await scene.row('work_units', units[0]!.id)).toMatchObject({ state: 'open', disputed: true })
    expect(server.woken.workUnits).toContain(units[0]!.id)
  })

  test('of an open unit that only one has, the other gets no result any more', async () => {
    await scene.campaign([{}])
    const mine = await enrolHost(server, { token: user.token })
    const anonymous = await enrolHost(server)
    expect((await anonymous.ask({ want: 1 })).leases).toHaveLength(1)
    expect((await claim(anonymous)).json).toMatchObject({ voided: 0 })
    expect((await mine.ask({ want: 1 })).leases).toEqual([])
    expect((await (await enrolHost(server)).ask({ want: 1 })).leases).toHaveLength(1)
  })

  test('while both are being given work, whatever comes first: no unit is left with a result of each and no dispute', async () => {
    await scene.campaign(Array.from({ length: 40 }, () => ({})))
    for (let round = 0; round < 8; round++) {
      const account = await addUser(server.database.knex, `racer ${++names}`)
      const mine = await enrolHost(server, { token: account.token })
      const anonymous = await enrolHost(server)
      // What overtakes it makes its number old: it is said again under another, as a client does.
      const patiently = async () => {
        const reply = await claim(anonymous, account.token)
        return reply.code === 'call_replayed' ? claim(anonymous, account.token) : reply
      }
      const [reply] = await Promise.all([patiently(), anonymous.call({ want: 2 }), mine.ask({ want: 2 })])
      expect(reply.status).toBe(200)
      const { rows } = await server.database.knex.raw(
        `select w.id from work_units w join results a on a.work_unit_id = w.id and a.host_id = :a
         join results b on b.work_unit_id = w.id and b.host_id = :b where not w.disputed`,
        { a: anonymous.id, b: mine.id },
      )
      expect(rows).toEqual([])
    }
  })
})

describe('a claim washes nothing', () => {
  async function neighbours(spread: boolean): Promise<TestHost> {
    const [cheat, other] = [await enrolHost(server), await enrolHost(server)]
    const { knex } = server.database
    const network = `prefix:${++names}`
    await knex.raw(`update hosts set owner_key = ? where id in (?, ?)`, [network, cheat.id, other.id])
    await knex.raw(
      `insert into exclusions (host_id, owner_key, reason, at, spread_at) values (:id, :network, 'it lied', :now, :spread)`,
      { id: cheat.id, network, now: new Date(server.now()), spread: spread ? new Date(server.now()) : null },
    )
    await knex.raw(`insert into streaks values (?, 'wasm', 15, 15000000000)`, [other.id])
    return other
  }
  const streak = async ({ id }: TestHost) =>
    (await server.database.knex.raw(`select count from streaks where host_id = ?`, [id])).rows[0].count

  test('while its owner is about to be looked into, a host is barred', async () => {
    const other = await neighbours(false)
    expect((await claim(other)).code).toBe('host_barred')
  })

  test('a streak that was too short beside an exclusion begins anew', async () => {
    const other = await neighbours(true)
    expect((await claim(other)).status).toBe(200)
    expect(await streak(other)).toBe(0)
  })
})
