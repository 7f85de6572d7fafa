import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Grant, StandingGrant } from '#domain/grants.ts'
import { payeeAccount, reserve } from '#domain/ledger.ts'
import { sweepContributions } from '#jobs/contributions.ts'
import { type Payday, pay } from '#jobs/pay.ts'
import { BoardList } from '#protocol/boards.ts'
import type { CampaignId, HostId, ResultId, UserId } from '#protocol/units.ts'
import { claimHost } from '#store/claims.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { insertHost } from '#store/hosts.ts'
import { post } from '#store/ledger.ts'
import { deleteUser } from '#store/people.ts'
import { addCampaign, addUser, sha256, T0, testIds } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'

const DAY_MS = 24 * 3600_000
let server: TestServer
let campaignId: CampaignId
let free: ResultId[]

// Each test begins with an empty ledger as far as boards go: what was counted before is forgotten.
beforeAll(async () => {
  server = await startServer()
  const { knex } = server.database
  const { id: owner } = await addUser(knex, 'owner', { milli: 100_000 })
  const campaign = await addCampaign(knex, server, owner, [{ quorum: 2, results: 60 }])
  campaignId = campaign.id
  free = campaign.units[0]!.resultIds.slice()
  await inTransaction(knex, trx =>
    post(trx, [reserve({ campaignId, userId: owner, amountMilli: 100_000 })], T0),
  )
})
afterAll(() => server.close())
beforeEach(async () => {
  await sweep()
  const { knex } = server.database
  await knex.raw(`delete from contributors`)
  await knex.raw(`delete from contribution_days`)
})

let names = 0
async function addHost(userId: UserId | null, client = 'test/1'): Promise<HostId> {
  const id = testIds.host(T0)
  await insertHost(server.database.knex, {
    ...{
      id,
      userId,
      trusted: false,
      ownerKey: `${++names}`,
      name: 'host',
      publicKey: id,
      tokenHash: sha256(id),
    },
    ...{ client, engineClasses: ['wasm'], cores: 1, memoryMiB: 1024, dailyQuota: 100, now: T0 },
  })
  return id
}
const someone = async (name = `volunteer ${++names}`) => addUser(server.database.knex, name)

const sweep = () => sweepContributions({ knex: server.database.knex, now: server.now })
const payday = (what: Payday) => inTransaction(server.database.knex, trx => pay(trx, what, server.now()))

/** A result of this host that earned so much; final unless it is held. */
async function earned(host: HostId, amountMilli: number, { held = false } = {}): Promise<StandingGrant> {
  const { knex } = server.database
  const resultId = free.pop()!
  await knex.raw(
    `update results set state = 'over', outcome = 'success', verdict = 'valid', host_id = :host, owner_key = :id,
       sent_at = now(), deadline = now(), digest = :id, report = '{}', fuel_used = 7, decision = 1, granted_decision = 0,
       granted_milli = :amountMilli where id = :id`,
    { id: resultId, host, amountMilli },
  )
  const { rows } = await knex.raw(`select user_id as "userId" from hosts where id = ?`, [host])
  const payee = payeeAccount({ id: host, userId: rows[0].userId })
  const grant: Grant = { resultId, decision: 0, campaignId, hostId: host, payee, amountMilli }
  await payday({ grants: [grant], vestNow: new Set(held ? [] : [resultId]) })
  return { ...grant, vested: !held }
}

const get = (query = '', token?: string) => server.call('GET', `/api/v1/contributors?${query}`, { token })
async function board(query = '', token?: string): Promise<BoardList> {
  const reply = await get(query, token)
  expect([reply.status, reply.text]).toEqual([200, reply.text])
  return BoardList.parse(reply.json)
}
const creditOf = async (query = '') =>
  (await board(query)).rows.map(({ place, name, creditMilli, valid }) => [place, name, creditMilli, valid])

test('counts what is final, by the way it was computed; what hosts without an account gave is one sum', async () => {
  const [ada, bob] = [await someone('ada'), await someone('bob')]
  await earned(await addHost(ada.id), 30)
  await earned(await addHost(ada.id, 'web Firefox/140'), 5)
  const one = await addHost(bob.id)
  const waiting = [await earned(one, 30, { held: true }), await earned(one, 10, { held: true })]
  await earned(await addHost(null), 100)
  await sweep()
  expect(await creditOf()).toEqual([[1, 'ada', 35, 2]])
  expect(await creditOf('via=tab')).toEqual([[1, 'ada', 5, 1]])
  expect(await creditOf('via=cli&span=week')).toEqual([[1, 'ada', 30, 1]])
  await payday({ vests: waiting })
  await sweep()
  const { rows, anonymous } = await board()
  expect(rows.map(row => [row.name, row.creditMilli, row.fuel, row.hosts])).toEqual([
    ['bob', 40, 14, 1],
    ['ada', 35, 14, 2],
  ])
  expect(rows[0]?.days).toEqual([...Array(13).fill(0), 2])
  expect(anonymous).toMatchObject({ valid: 1, creditMilli: 100, fuel: 7 })
})

test('takes back what was reversed, and moves what a host gave to the account that claims it', async () => {
  const { knex } = server.database
  const ada = await someone()
  const [mine, stray] = [await addHost(ada.id), await addHost(null, 'web Chrome/150')]
  const wrong = await earned(mine, 30)
  await earned(mine, 10)
  await earned(stray, 100)
  await sweep()
  await payday({ reversals: [wrong], to: 'escrow' })
  await inTransaction(knex, trx => claimHost(trx, { hostId: stray, userId: ada.id, now: server.now() }))
  await sweep()
  const { rows, anonymous } = await board()
  expect(rows).toMatchObject([{ creditMilli: 110, valid: 2, fuel: 14, hosts: 2 }])
  expect(rows[0]?.recentMilli).toBeCloseTo((110 * Math.LN2) / 7, 6)
  expect(anonymous).toMatchObject({ valid: 0, creditMilli: 0, fuel: 0 })
  expect(await creditOf('via=tab')).toEqual([[1, expect.any(String), 100, 1]])
})

test('counting twice, or being cut off before the commit, changes nothing', async () => {
  const ada = await someone()
  await earned(await addHost(ada.id), 30)
  const broken = new Proxy(server.database.knex, {
    get: (knex, name) =>
      name === 'transaction'
        ? (work: (trx: object) => Promise<unknown>) =>
            knex.transaction(async trx => {
              await work(trx)
              throw new Error('cut off')
            })
        : Reflect.get(knex, name),
  })
  await expect(sweepContributions({ knex: broken, now: server.now })).rejects.toThrow('cut off')
  expect(await creditOf()).toEqual([])
  await sweep()
  await sweep()
  expect(await creditOf()).toEqual([[1, expect.any(String), 30, 1]])
})

test('week and year end with today, and what is recent forgets half in seven days', async () => {
  const ada = await someone()
  const host = await addHost(ada.id)
  await earned(host, 64)
  await sweep()
  const recentAfter = async (days: number) => {
    server.advance(days * DAY_MS)
    await sweep()
    return (await board('board=recent')).rows[0]?.recentMilli ?? 0
  }
  const now = (await board('board=recent')).rows[0]?.recentMilli ?? 0
  expect(now).toBeCloseTo((64 * Math.LN2) / 7, 6)
  expect(await recentAfter(6)).toBeCloseTo(now * 2 ** (-6 / 7), 6)
  expect(await creditOf('span=week')).toEqual([[1, expect.any(String), 64, 1]])
  expect(await recentAfter(1)).toBeCloseTo(now / 2, 6)
  expect(await creditOf('span=week')).toEqual([])
  await earned(host, 1)
  expect(await recentAfter(357)).toBeLessThan(1e-9)
  expect(await creditOf('span=year')).toEqual([[1, expect.any(String), 65, 2]])
  server.advance(DAY_MS)
  await sweep()
  expect(await creditOf('span=year')).toEqual([[1, expect.any(String), 1, 1]])
  expect(await creditOf('span=all')).toEqual([[1, expect.any(String), 65, 2]])
  server.advance(4000 * DAY_MS) // nothing of either is left, and no power underflows
  await earned(host, 2)
  await sweep()
  expect((await board('board=recent')).rows[0]?.recentMilli).toBeCloseTo((2 * Math.LN2) / 7, 6)
  expect(await creditOf('span=year')).toEqual([[1, expect.any(String), 2, 1]])
  const left = await server.database.knex.raw(`select count(*) as n from contribution_days where via = 'cli'`)
  expect(left.rows[0].n).toBe(2) // today, and everything older than a year
})

test('impact is what became a campaign’s best, once, until it is taken back; ties go by date', async () => {
  const { knex } = server.database
  const experimentId = (await knex.raw(`select id from experiments where campaign_id = ?`, [campaignId]))
    .rows[0].id
  const [ada, bob] = [await someone(), await someone('bob the second')]
  const first = await earned(await addHost(ada.id), 10)
  await knex.raw(
    `update work_units set state = 'valid', closed_at = now(), published_at = now(), canonical_result_id = :id
     where id = (select work_unit_id from results where id = :id)`,
    { id: first.resultId },
  )
  await knex.raw(
    `update results set granted_milli = 0, granted_decision = null, vested = false where id <> ?`,
    [first.resultId],
  )
  const tell = () =>
    inTransaction(knex, trx =>
      addCampaignEvents(trx, [{ campaignId, event: 'best', experimentId, detail: 'leads' }], server.now()),
    )
  const impactOf = async () => (await board('board=impact')).rows.map(row => [row.name, row.impact])
  await tell()
  await tell()
  await sweep()
  expect(await impactOf()).toEqual([[expect.stringContaining('volunteer'), 1]])
  server.advance(1000)
  await earned(await addHost(bob.id), 20)
  await tell()
  await sweep()
  expect(await impactOf()).toEqual([
    [expect.stringContaining('volunteer'), 1],
    ['bob the second', 1],
  ])
  await payday({ reversals: [first], to: 'escrow' })
  await sweep()
  expect(await impactOf()).toEqual([['bob the second', 1]])
})

test('pages step over nobody, whatever is given in between; who asks finds the own row and its page', async () => {
  const people = []
  for (let i = 0; i < 5; i++) {
    const person = await someone()
    await earned(await addHost(person.id), i < 2 ? 50 : 40 - i)
    people.push(person)
  }
  await sweep()
  const seen: [number, number][] = []
  for (let after: string | null = ''; after !== null; ) {
    const page: BoardList = await board(`limit=2${after === '' ? '' : `&after=${after}`}`)
    seen.push(...page.rows.map((row): [number, number] => [row.place, row.creditMilli]))
    after = page.nextAfter
  }
  expect(seen).toEqual([
    [1, 50],
    [2, 50],
    [3, 38],
    [4, 37],
    [5, 36],
  ])
  const { me } = await board('limit=1', people[3]?.token)
  expect(me).toMatchObject({ place: 4, creditMilli: 37 })
  expect(await creditOf(`limit=1&after=${me?.at}`)).toEqual([[4, me?.name, 37, 1]])
  expect((await board('via=tab', people[3]?.token)).me).toBeNull()
  expect((await get('', 'xu_wrong')).status).toBe(401)
  const bad = (value: unknown) => `after=${Buffer.from(JSON.stringify(value)).toString('base64url')}`
  for (const query of [
    'board=x',
    'span=day',
    'limit=0',
    'after=!',
    'after=x',
    bad([1, 9e99, 'user:', 1]),
    bad([1, 1, '\0', 1]),
  ])
    expect([query, (await get(query)).code]).toEqual([query, 'bad_request'])
})

test('an account that was deleted is named nowhere, and what it gave is part of the sum', async () => {
  const { knex } = server.database
  const gone = await someone('gone')
  const host = await addHost(gone.id)
  await earned(host, 50)
  const waiting = await earned(host, 7, { held: true })
  await sweep()
  await inTransaction(knex, trx => deleteUser(trx, gone.id, server.now()))
  expect((await board()).rows).toEqual([])
  await sweep()
  await payday({ vests: [waiting] })
  await sweep()
  const { rows, anonymous } = await board()
  expect(rows).toEqual([])
  expect(anonymous).toMatchObject({ valid: 2, creditMilli: 57 })
})
