import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { forgetTraces } from '#jobs/forget.ts'
import { CampaignView } from '#protocol/campaign.ts'
import { DryRun } from '#protocol/dry-run.ts'
import { ProposeReply } from '#protocol/experiments.ts'
import { NewKey } from '#protocol/keys.ts'
import { IDEMPOTENCY_DAYS } from '#protocol/limits.ts'
import { addMs } from '#protocol/units.ts'
import { WebhookMade } from '#protocol/webhooks.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let rich: { id: string; token: string }
let count = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  rich = await addUser(server.database.knex, `once-${++count}`, { milli: 1000 })
})

interface How {
  readonly key?: string
  readonly token?: string
  readonly method?: string
}
const post = (path: string, body: unknown, { key, token = rich.token, method = 'POST' }: How = {}) =>
  server.call(method, `/api/v1${path}`, {
    ...{ token, body },
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  })
const fileOf = (runs: number) => ({
  ...{ title: 'Which rate?', kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs, credits: 10 },
  space: { lr: { log: [0.001, 0.1] } },
  sampler: { name: 'tpe', seed: 1 },
  baseline: false,
})
const submit = async () => CampaignView.parse((await post('/campaigns', fileOf(4))).json)
const rows = async (): Promise<string> => {
  const tables = [
    'campaigns',
    'campaign_revisions',
    'experiments',
    'campaign_notes',
    'tokens',
    'transfers',
    'webhooks',
  ]
  const counts = await Promise.all(
    tables.map(table => server.database.knex.raw(`select count(*) from ${table}`)),
  )
  return counts.map(({ rows }) => rows[0].count).join(' ')
}

describe('a call with an idempotency key', () => {
  test.each(['/campaigns', '/campaigns/ID/notes', '/campaigns/ID/experiments', '/keys', '/webhooks'])(
    'to %s, made by several at once, is made once and answered alike',
    async address => {
      const { id } = await submit()
      const path = address.replace('ID', id)
      const body = BODIES[address]
      const before = await rows()
      const replies = await Promise.all(Array.from({ length: 5 }, () => post(path, body, { key: 'one' })))
      const firsts = replies.filter(({ headers }) => headers.get('idempotent-replayed') === null)
      expect(firsts).toHaveLength(1)
      const [first] = firsts
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([first!.status]))
      const after = await rows()
      expect(after).not.toBe(before)
      server.advance(60_000)
      const again = await post(path, body, { key: 'one' })
      expect(again.headers.get('idempotent-replayed')).toBe('true')
      expect(again.headers.get('location')).toBe(first!.headers.get('location'))
      if (address === '/keys') {
        expect(NewKey.parse(again.json)).toEqual({ ...NewKey.parse(first!.json), key: null })
      } else if (address === '/webhooks') {
        expect(WebhookMade.parse(again.json)).toEqual({ ...WebhookMade.parse(first!.json), secret: null })
      } else expect(again.text).toBe(first!.text)
      expect(await rows()).toBe(after)
    },
  )

  test('is another one under another key, of another user, or without a key', async () => {
    const other = await addUser(server.database.knex, `else-${count}`, { milli: 1000 })
    const made = await Promise.all([
      post('/campaigns', fileOf(4), { key: 'a' }),
      post('/campaigns', fileOf(4), { key: 'b' }),
      post('/campaigns', fileOf(4), { key: 'a', token: other.token }),
      post('/campaigns', fileOf(4)),
    ])
    expect(new Set(made.map(({ json }) => CampaignView.parse(json).id)).size).toBe(4)
  })

  test('conflicts with another body or another address under the same key', async () => {
    const { id } = await submit()
    expect((await post('/campaigns', fileOf(4), { key: 'x' })).status).toBe(201)
    expect((await post('/campaigns', fileOf(5), { key: 'x' })).code).toBe('idempotency_conflict')
    const note = BODIES['/campaigns/ID/notes']
    expect((await post(`/campaigns/${id}/notes`, note, { key: 'x' })).code).toBe('idempotency_conflict')
  })

  test('that was refused leaves its key free', async () => {
    expect((await post('/campaigns', fileOf(400), { key: 'y' })).code).toBe('insufficient_credit')
    expect((await post('/campaigns', fileOf(4), { key: 'y' })).status).toBe(201)
  })

  test('is forgotten after a week, but for a campaign, which is never paid for twice', async () => {
    const { id } = await submit()
    const note = () => post(`/campaigns/${id}/notes`, BODIES['/campaigns/ID/notes'], { key: 'z' })
    const [first] = [await note(), await post('/campaigns', fileOf(4), { key: 'w' })]
    const later = addMs(server.now(), IDEMPOTENCY_DAYS * 24 * 3600_000 + 1)
    await forgetTraces({ knex: server.database.knex, now: () => later })
    const second = await note()
    expect(second.headers.get('idempotent-replayed')).toBeNull()
    expect(second.text).not.toBe(first.text)
    expect((await post('/campaigns', fileOf(4), { key: 'w' })).code).toBe('idempotency_conflict')
  })

  test.each(['', 'x'.repeat(201), 'clé'])('has a key of 1 to 200 printable characters, not %o', async key => {
    const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') }
    const reply = await server.call('POST', '/api/v1/keys', {
      token: rich.token,
      body: BODIES['/keys'],
      headers,
    })
    expect(reply.code).toBe('bad_request')
  })
})

const BODIES: Readonly<Record<string, unknown>> = {
  '/campaigns': fileOf(4),
  '/campaigns/ID/notes': { kind: 'insight', text: 'Small is enough.', evidence: [] },
  '/campaigns/ID/experiments': { recipes: [{ lr: 0.01 }] },
  '/keys': { label: 'agent', scopes: ['read'] },
  '/webhooks': { url: 'https://hooks.example.test/in' },
}

describe('a dry run', () => {
  test('of a submission says what it would set aside and leave, and writes nothing', async () => {
    const key = NewKey.parse(
      (await post('/keys', { label: 'agent', scopes: ['campaign'], budgetMilli: 200 })).json,
    )
    const before = await rows()
    const reply = await post('/campaigns?dry_run=true', fileOf(4), { token: key.key ?? '', key: 'k' })
    expect(reply.status).toBe(200)
    expect(DryRun.parse(reply.json)).toMatchObject({
      ...{ dryRun: true, quote: { reserveMilli: 88 }, setAsideMilli: 88, balanceMilli: 912 },
      key: { keyId: key.keyId, spentMilli: 88, remainingMilli: 112 },
      campaign: { state: 'running', experiments: { planned: 4, created: 0 }, credit: { reservedMilli: 88 } },
    })
    expect(await rows()).toBe(before)
    const { campaign } = DryRun.parse(reply.json)
    expect((await server.call('GET', `/api/v1/campaigns/${campaign.id}`)).code).toBe('not_found')
    expect((await post('/campaigns', fileOf(4), { token: key.key ?? '', key: 'k' })).status).toBe(201)
  })

  test('is refused whenever the call would be', async () => {
    const key = NewKey.parse(
      (await post('/keys', { label: 'agent', scopes: ['campaign'], budgetMilli: 80 })).json,
    )
    for (const address of ['/campaigns', '/campaigns?dry_run=true']) {
      expect((await post(address, fileOf(4), { token: key.key ?? '' })).code).toBe('budget_exceeded')
      expect((await post(address, fileOf(400))).code).toBe('insufficient_credit')
      expect((await post(address, { ...fileOf(4), kernel: 'none@1' })).code).toBe('kernel_unknown')
    }
    expect((await post('/campaigns?dry_run=maybe', fileOf(4))).code).toBe('bad_request')
  })

  test('of a revision says what it would set aside beyond what is', async () => {
    const { id } = await submit()
    const before = await rows()
    const body = { expected: 1, reason: 'more', file: fileOf(6) }
    const reply = await post(`/campaigns/${id}?dry_run=true`, body, { method: 'PUT' })
    expect(DryRun.parse(reply.json)).toMatchObject({
      ...{ setAsideMilli: 44, balanceMilli: 868, key: null, quote: { reserveMilli: 132 } },
      campaign: { id, revision: 2 },
    })
    expect(await rows()).toBe(before)
    expect((await server.call('GET', `/api/v1/campaigns/${id}`)).json).toMatchObject({ revision: 1 })
  })

  test('of a proposal says what would become of each recipe', async () => {
    const { id } = await submit()
    const before = await rows()
    const reply = await post(`/campaigns/${id}/experiments?dry_run=true`, {
      recipes: [{ lr: 0.01 }, { lr: 7 }],
    })
    expect(ProposeReply.parse(reply.json)).toMatchObject({
      ...{ dryRun: true, remaining: 3 },
      experiments: [{ outcome: 'created', experimentId: null }, { outcome: 'refused' }],
    })
    expect(await rows()).toBe(before)
  })
})
