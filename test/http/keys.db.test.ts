import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CampaignView, MeView } from '#protocol/campaign.ts'
import { KeyList, KeyView, NewKey } from '#protocol/keys.ts'
import { Problem } from '#protocol/problem.ts'
import { UserId } from '#protocol/units.ts'
import { refundRest } from '#store/account-credit.ts'
import { inTransaction } from '#store/database.ts'
import { audit } from '#store/ledger.ts'
import { addUser } from '#support/builders.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let rich: { id: string; token: string }
let count = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  rich = await addUser(server.database.knex, `holder-${++count}`, { milli: 1_000_000 })
})

const call = (method: string, path: string, token: string, body?: unknown) =>
  server.call(method, `/api/v1${path}`, { token, ...(body === undefined ? {} : { body }) })
const makeKey = async (asked: object, token = rich.token) => {
  const made = NewKey.parse((await call('POST', '/keys', token, { label: 'agent', ...asked })).json)
  return { ...made, key: made.key ?? '' }
}
const keyOf = async (id: string): Promise<KeyView> => {
  const { keys } = KeyList.parse((await call('GET', '/keys', rich.token)).json)
  const key = keys.find(({ keyId }) => keyId === id)
  if (key === undefined) throw new Error(`${id} is not listed`)
  return key
}

const COST_PER_RUN = 22 // 1 Gfuel at quorum 2 and 10 milli-credits a Gfuel, and a tenth for checks
const fileOf = (runs: number) => ({
  ...{ title: 'Which rate?', kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs, credits: 10 },
  baseline: false,
  ...{ space: { lr: { log: [0.001, 0.1], points: 50 } }, sampler: { name: 'grid' } },
})
const submit = (token: string, runs: number) => call('POST', '/campaigns', token, fileOf(runs))

test('a link enrols so many machines until it ends, each once, and claims none', async () => {
  const { key, link, hostsLeft, keyId } = await makeKey({ scopes: ['enrol'], hostsMax: 2 })
  expect({ link, hostsLeft }).toEqual({ link: `${server.url}/start#${key}`, hostsLeft: 2 })
  const enrolled = await Promise.allSettled([1, 2, 3, 4].map(() => enrolHost(server, { token: key })))
  expect(enrolled.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  for (const one of enrolled)
    if (one.status === 'rejected') expect(String(one.reason)).toContain('key_used_up')
  const { keys } = KeyList.parse((await call('GET', '/keys', rich.token)).json)
  expect(keys.find(one => one.keyId === keyId)?.hostsLeft).toBe(0)
  const stranger = await enrolHost(server)
  const claim = await stranger.say('POST', `/api/v1/hosts/${stranger.id}/claim`, { userToken: key })
  expect(claim.code).toBe('scope_missing')
  const body = { label: 'bad', scopes: ['read'], hostsMax: 2 }
  expect((await call('POST', '/keys', rich.token, body)).code).toBe('bad_request')
})

test('a key does what its scopes say, and nothing that is the account’s', async () => {
  const { key, keyId } = await makeKey({ scopes: ['propose'], budgetMilli: 100 })
  expect(key).toMatch(/^xk_/)
  expect(MeView.parse((await call('GET', '/me', key)).json)).toMatchObject({
    userId: rich.id,
    key: { keyId, scopes: ['propose'], budgetMilli: 100, spentMilli: 0, remainingMilli: 100 },
  })
  expect((await call('POST', '/campaigns/validate', key, fileOf(4))).status).toBe(200)
  expect((await submit(key, 4)).code).toBe('scope_missing')
  const strong = await makeKey({ scopes: ['campaign', 'enrol'] })
  expect((await submit(strong.key, 4)).status).toBe(201)
  const me = MeView.parse((await call('GET', '/me', rich.token)).json)
  expect([me.reservedMilli, me.balanceMilli]).toEqual([4 * COST_PER_RUN, 1_000_000 - 4 * COST_PER_RUN])
  expect((await call('DELETE', '/me', strong.key)).code).toBe('scope_missing')
  expect((await call('POST', '/keys', strong.key, { label: 'more', scopes: ['read'] })).code).toBe(
    'scope_missing',
  )
  expect((await call('POST', `/keys/${keyId}/revoke`, strong.key)).code).toBe('scope_missing')
})

test('nobody gives away more than he has', async () => {
  for (const scope of ['kernel', 'admin', 'verify']) {
    const reply = await call('POST', '/keys', rich.token, { label: 'x', scopes: [scope] })
    expect(reply.code).toBe(scope === 'kernel' ? 'scope_missing' : 'bad_request')
  }
  const enroller = await addUser(server.database.knex, `enroller-${count}`, { scopes: ['enrol'] })
  expect((await call('POST', '/keys', enroller.token, { label: 'x', scopes: ['read'] })).code).toBe(
    'scope_missing',
  )
})

test('the text of a key is stored as a hash, and no other reply shows it', async () => {
  const { key } = await makeKey({ scopes: ['read'] })
  expect((await call('GET', '/keys', rich.token)).text).not.toContain(key)
  const { rows } = await server.database.knex.raw('select t.* from tokens t')
  expect(JSON.stringify(rows)).not.toContain(key)
})

test('a key ends when its time is over or somebody ends it, also while it submits', async () => {
  const expiresAt = new Date(server.now() + 60_000).toISOString()
  const short = await makeKey({ scopes: ['campaign'], expiresAt })
  expect((await submit(short.key, 1)).status).toBe(201)
  server.advance(60_000)
  expect((await submit(short.key, 1)).code).toBe('token_expired')
  const late = { label: 'late', scopes: ['read'], expiresAt }
  expect((await call('POST', '/keys', rich.token, late)).code).toBe('bad_request')
  const { key, keyId } = await makeKey({ scopes: ['read'] })
  const other = await addUser(server.database.knex, `other-${count}`)
  expect((await call('POST', `/keys/${keyId}/revoke`, other.token)).code).toBe('not_found')
  const ended = KeyView.parse((await call('POST', `/keys/${keyId}/revoke`, key)).json)
  expect(ended.revokedAt).not.toBeNull()
  expect((await call('GET', '/me', key)).code).toBe('token_expired')
  server.advance(1000)
  expect((await call('POST', `/keys/${keyId}/revoke`, rich.token)).json).toEqual(ended)
})

test('a budget is a bound beside the account’s own, and says what is missing', async () => {
  const { key, keyId } = await makeKey({ scopes: ['campaign'], budgetMilli: 100 })
  expect((await submit(key, 4)).status).toBe(201)
  const refused = Problem.parse((await submit(key, 1)).json)
  expect(refused).toMatchObject({ code: 'budget_exceeded', missingMilli: 10 })
  expect(refused.detail).toContain('0.01 credits are missing in the budget of the API key')
  expect(await keyOf(keyId)).toMatchObject({ spentMilli: 88, remainingMilli: 12 })
  const poor = await addUser(server.database.knex, `poor-${count}`, { milli: 10 })
  const unbounded = await makeKey({ scopes: ['campaign'] }, poor.token)
  expect(Problem.parse((await submit(unbounded.key, 1)).json)).toMatchObject({
    code: 'insufficient_credit',
    missingMilli: 12,
  })
})

test('a revision is charged to the key that makes it, and what comes back goes back to the last first', async () => {
  const first = await makeKey({ scopes: ['campaign'], budgetMilli: 100 })
  const second = await makeKey({ scopes: ['campaign'], budgetMilli: 50 })
  const { id } = CampaignView.parse((await submit(first.key, 4)).json)
  const revise = (token: string, expected: number, runs: number) =>
    call('PUT', `/campaigns/${id}`, token, { expected, reason: 'more', file: fileOf(runs) })
  expect((await revise(first.key, 1, 5)).code).toBe('budget_exceeded')
  expect((await revise(second.key, 1, 6)).status).toBe(200)
  expect((await revise(rich.token, 2, 7)).status).toBe(200)
  const spent = async () =>
    (await Promise.all([first, second].map(k => keyOf(k.keyId)))).map(k => k.spentMilli)
  expect(await spent()).toEqual([88, 44])
  expect((await call('POST', `/campaigns/${id}/stop`, rich.token)).status).toBe(200)
  const refund = () =>
    inTransaction(server.database.knex, trx =>
      refundRest(trx, {
        ...{ campaignId: CampaignView.parse(campaign.json).id, userId: UserId.parse(rich.id) },
        now: server.now(),
      }),
    )
  const campaign = await call('GET', `/campaigns/${id}`, rich.token)
  expect(await refund()).toBe(7 * COST_PER_RUN)
  expect(await spent()).toEqual([0, 0])
  expect(await refund()).toBe(0)
  expect((await submit(first.key, 4)).status).toBe(201)
})

test('of equal submissions at once a budget pays for as many as it holds, and no more', async () => {
  const { key, keyId } = await makeKey({ scopes: ['campaign'], budgetMilli: 5 * 88 + 87 })
  const replies = await Promise.all(Array.from({ length: 12 }, () => submit(key, 4)))
  expect(replies.map(({ status }) => status).sort()).toEqual([...Array(5).fill(201), ...Array(7).fill(422)])
  const refusals = replies.filter(({ status }) => status === 422)
  expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['budget_exceeded']))
  expect(await keyOf(keyId)).toMatchObject({ spentMilli: 440, remainingMilli: 87 })
})

test('whatever several keys submit, revise and get back at once, none is overspent and the books agree', async () => {
  const act = fc.record({
    key: fc.nat(2),
    runs: fc.integer({ min: 1, max: 12 }),
    after: fc.constantFrom('nothing', 'revise', 'refund'),
  })
  const budgets = fc.tuple(...[0, 1, 2].map(() => fc.nat(500)))
  await fc.assert(
    fc.asyncProperty(budgets, fc.array(act, { minLength: 4, maxLength: 10 }), async (budgets, acts) => {
      const keys = await Promise.all(
        budgets.map(budgetMilli => makeKey({ scopes: ['campaign'], budgetMilli })),
      )
      await Promise.all(acts.map(({ key, ...act }) => perform(keys[key]!.key, act)))
      for (const [i, { keyId }] of keys.entries()) {
        const { spentMilli, remainingMilli } = await keyOf(keyId)
        expect(remainingMilli).toBe(budgets[i]! - spentMilli)
        expect(remainingMilli).toBeGreaterThanOrEqual(0)
        expect(spentMilli).toBe(await outstanding(keyId))
      }
      expect((await audit(server.database.knex)).balanced).toBe(true)
    }),
    { numRuns: 8 },
  )
})

async function perform(token: string, { runs, after }: { runs: number; after: string }): Promise<void> {
  const reply = await submit(token, runs)
  if (reply.status !== 201) return expect(reply.code).toBe('budget_exceeded')
  const { id } = CampaignView.parse(reply.json)
  if (after === 'nothing') return
  const body = { expected: 1, reason: 'more', file: fileOf(runs + 3) }
  const revised = await call('PUT', `/campaigns/${id}`, token, body)
  expect([undefined, 'budget_exceeded']).toContain(revised.code)
  if (after === 'revise') return
  await call('POST', `/campaigns/${id}/stop`, token)
  const userId = UserId.parse(rich.id)
  await inTransaction(server.database.knex, trx =>
    refundRest(trx, { campaignId: id, userId, now: server.now() }),
  )
}

/** What a key set aside and did not get back, from the ledger: here a campaign is refunded wholly or not at all. */
async function outstanding(keyId: string): Promise<number> {
  const { rows } = await server.database.knex.raw(
    `select coalesce(sum(t.amount_milli), 0)::bigint as milli
     from key_charges k join transfers t on t.key = k.transfer_key
     where k.token_id = ? and not exists (select from transfers r where r.campaign_id = t.campaign_id and r.kind = 'refund')`,
    [keyId],
  )
  return rows[0].milli
}

test('what is wrong with a key that is asked for is said by field', async () => {
  for (const [body, field] of [
    [{ label: '', scopes: ['read'] }, 'label'],
    [{ label: 'x', scopes: [] }, 'scopes'],
    [{ label: 'x', scopes: ['read'], budgetMilli: -1 }, 'budgetMilli'],
    [{ label: 'x', scopes: ['read'], budgetMilli: 1.5 }, 'budgetMilli'],
    [{ label: 'x', scopes: ['read'], expiresAt: 'tomorrow' }, 'expiresAt'],
  ] as const) {
    const reply = await call('POST', '/keys', rich.token, body)
    expect(reply.code).toBe('bad_request')
    expect(Problem.parse(reply.json).detail).toMatch(new RegExp(`^${field}`))
  }
})
