import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type CampaignFile, CampaignView, ValidateReply } from '#protocol/campaign.ts'
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
  server.woken.campaigns.length = 0
  rich = await addUser(server.database.knex, `rich-${++count}`, { milli: 1_000_000 })
})

const FILE = {
  title: 'Which learning rate?',
  kernel: 'tiny@0',
  data: 'fox@1',
  metric: { name: 'val_bpb', goal: 'minimize' },
  budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
  baseline: false,
  space: { lr: { log: [0.001, 0.1], points: 4 } },
  sampler: { name: 'grid' },
} as const

const validate = (body: unknown, token: string | undefined = rich.token) =>
  server.call('POST', '/api/v1/campaigns/validate', { token, body })
const submit = (body: unknown, { token = rich.token, key }: { token?: string; key?: string } = {}) =>
  server.call('POST', '/api/v1/campaigns', {
    token,
    body,
    ...(key ? { headers: { 'idempotency-key': key } } : {}),
  })

async function balanceOf(token: string): Promise<number> {
  const reply = await server.call('GET', '/api/v1/me', { token })
  return (reply.json as { balanceMilli: number }).balanceMilli
}

async function campaigns(): Promise<number> {
  const { rows } = await server.database.knex.raw('select count(*) from campaigns where owner_id = ?', [
    rich.id,
  ])
  return rows[0].count
}

test('a valid file is priced and its first runs are shown; nothing is charged', async () => {
  await enrolHost(server)
  const reply = await validate(FILE)
  expect(reply.status).toBe(200)
  const { quote, spaceSize, firstRuns, hostsMatching } = ValidateReply.parse(reply.json)
  // 4 runs of 1 Gfuel at quorum 2 and 10 milli-credits a Gfuel, and a tenth for checks
  expect(quote).toMatchObject({ experiments: 4, workUnits: 4, fuelPlanned: 8e9, reserveMilli: 88 })
  expect(spaceSize).toBe(4)
  expect(hostsMatching).toBeGreaterThan(0)
  expect(firstRuns).toHaveLength(3)
  expect(firstRuns[0]).toMatchObject({
    ...{ recipe: { lr: 0.001, width: 16 }, limit: { fuel: 1e9 }, memoryPagesMax: 256 },
    data: server.dataset.splits.map(({ sha256, bytes }) => ({ sha256, bytes })),
  })
  expect(await balanceOf(rich.token)).toBe(1_000_000)
})

test('a submitted campaign reserves exactly its quote and wakes the proposer', async () => {
  const reply = await submit(FILE)
  expect(reply.status).toBe(201)
  const view = CampaignView.parse(reply.json)
  expect(reply.headers.get('location')).toBe(`/api/v1/campaigns/${view.id}`)
  expect(view).toMatchObject({
    ...{ state: 'running', kernel: 'tiny@0', data: 'fox@1', experiments: { planned: 4, created: 0 } },
    credit: { reservedMilli: 88, grantedMilli: 0, refundedMilli: 0, balanceMilli: 88 },
  })
  expect(await balanceOf(rich.token)).toBe(1_000_000 - 88)
  expect(server.woken.campaigns).toEqual([view.id])
  expect((await server.call('GET', `/api/v1/campaigns/${view.id}`)).json).toEqual(view)
  const ledger = await server.call('GET', '/api/v1/ledger/summary')
  expect(ledger.json).toMatchObject({ sumMilli: 0, balanced: true })
})

type Changes = Record<string, unknown>
const without = (field: keyof CampaignFile) => ({ [field]: undefined })

describe('a campaign file is refused', () => {
  test.each<[string, Changes, string, string]>([
    ['an unknown field', { colour: 'blue' }, 'campaign_invalid', 'colour'],
    ['an unknown field inside', { budget: { ...FILE.budget, cores: 4 } }, 'campaign_invalid', 'cores'],
    ['no budget', without('budget'), 'campaign_invalid', 'budget'],
    ['no limit in the budget', { budget: { runs: 4, credits: 1 } }, 'campaign_invalid', 'fuel_per_run'],
    [
      'two limits in the budget',
      { budget: { ...FILE.budget, updates_per_run: 10 } },
      'campaign_invalid',
      'fuel_per_run',
    ],
    ['no runs', { budget: { ...FILE.budget, runs: 0 } }, 'campaign_invalid', 'runs'],
    ['too many runs', { budget: { ...FILE.budget, runs: 1e6 } }, 'campaign_invalid', 'runs'],
    ['a range the wrong way round', { space: { lr: { log: [0.1, 0.001] } } }, 'campaign_invalid', 'space.lr'],
    ['a logarithm from zero', { space: { lr: { log: [0, 1] } } }, 'campaign_invalid', 'space.lr'],
    ['an empty choice', { space: { lr: { choice: [] } } }, 'campaign_invalid', 'space.lr'],
    ['an empty space', { space: {} }, 'campaign_invalid', 'space'],
    [
      'a dimension of two kinds',
      { space: { lr: { log: [1, 2], int: [1, 2] } } },
      'campaign_invalid',
      'space.lr',
    ],
    ['a parameter fixed and searched', { recipe: { lr: 0.01 } }, 'campaign_invalid', 'space.lr'],
    ['another metric', { metric: { name: 'loss', goal: 'minimize' } }, 'campaign_invalid', 'metric'],
    [
      'more fuel than the kernel takes',
      { budget: { ...FILE.budget, fuel_per_run: 2e12 } },
      'campaign_invalid',
      'fuel',
    ],
    ['a sampler that nobody knows', { sampler: { name: 'oracle' } }, 'campaign_invalid', 'sampler'],
    ['a quorum of nobody', { replicate: { quorum: 0 } }, 'campaign_invalid', 'quorum'],
    ['a kernel that was not admitted', { kernel: 'tiny@9' }, 'kernel_unknown', 'tiny@9'],
    ['data that is not there', { data: 'shakespeare@1' }, 'data_unknown', 'shakespeare@1'],
    [
      'a recipe beyond the kernel’s range',
      { space: { lr: { log: [0.001, 10], points: 4 } } },
      'recipe_invalid',
      'lr',
    ],
    [
      'a recipe that is no multiple',
      { space: { width: { choice: [8, 9, 16, 24] } } },
      'recipe_invalid',
      'width',
    ],
    ['a parameter that the kernel lacks', { space: { depth: { int: [1, 4] } } }, 'recipe_invalid', 'depth'],
    [
      'a space smaller than the runs',
      { space: { lr: { log: [0.001, 0.1], points: 3 } } },
      'space_too_small',
      '3',
    ],
    ['a budget below the quote', { budget: { ...FILE.budget, credits: 0.087 } }, 'budget_exceeded', '0.088'],
  ])('%s', async (_what, changes, code, named) => {
    for (const reply of [await validate({ ...FILE, ...changes }), await submit({ ...FILE, ...changes })]) {
      expect([reply.status, reply.code]).toEqual([422, code])
      expect((reply.json as { detail: string }).detail).toContain(named)
    }
    expect(await campaigns()).toBe(0)
    expect(await balanceOf(rich.token)).toBe(1_000_000)
  })

  test('a body that is not JSON, or larger than a campaign file may be', async () => {
    expect((await submit('title: yaml')).code).toBe('bad_request')
    const large = await submit({ ...FILE, question: 'x'.repeat(300_000) })
    expect([large.status, large.code]).toEqual([413, 'body_too_large'])
  })

  test('a data set without a split that the kernel reads', async () => {
    await server.database.knex.raw(
      `insert into datasets select 'other', 'trainless', 1, jsonb_set(jsonb_set(manifest, '{name}', '"trainless"'),
         '{splits,0,name}', '"test"'), now() from datasets where name = 'fox'`,
    )
    const reply = await submit({ ...FILE, data: 'trainless@1' })
    expect([reply.code, (reply.json as { detail: string }).detail]).toEqual([
      'campaign_invalid',
      'data: has no split train, which the kernel reads',
    ])
  })

  test('images for a kernel that reads text', async () => {
    await server.database.knex.raw(
      `insert into datasets select 'pictures', 'pictures', 1, jsonb_set(jsonb_set(manifest, '{name}', '"pictures"'),
         '{baselines}', '{"frequencies": 3}'), now() from datasets where name = 'fox'`,
    )
    const reply = await submit({ ...FILE, data: 'pictures@1' })
    expect([reply.code, (reply.json as { detail: string }).detail]).toEqual([
      'campaign_invalid',
      'data: pictures@1 is labelled images, and the kernel reads text',
    ])
  })
})

describe('who may', () => {
  test('without a token, or with one of another scope, nobody', async () => {
    const volunteer = await addUser(server.database.knex, `volunteer-${count}`, {
      scopes: ['enrol'],
      milli: 1e6,
    })
    for (const path of ['/api/v1/campaigns', '/api/v1/campaigns/validate']) {
      const without = await server.call('POST', path, { body: FILE })
      expect(without.code).toBe(path.endsWith('validate') ? undefined : 'token_missing') // checking is for everybody
      const reply = await server.call('POST', path, { body: FILE, token: volunteer.token })
      expect([reply.status, reply.code]).toEqual([403, 'scope_missing'])
    }
  })

  test('with too little credit: the missing amount is named, and nothing is half-made', async () => {
    const poor = await addUser(server.database.knex, `poor-${count}`, { milli: 87 })
    const reply = await submit(FILE, { token: poor.token })
    expect([reply.status, reply.code]).toEqual([402, 'insufficient_credit'])
    expect(reply.json).toMatchObject({ detail: '0.001 credits are missing' })
    expect(await balanceOf(poor.token)).toBe(87)
    const { rows } = await server.database.knex.raw('select count(*) from campaigns where owner_id = ?', [
      poor.id,
    ])
    expect(rows[0].count).toBe(0)
    expect(server.woken.campaigns).toEqual([])
  })

  test('two submissions at once cannot spend the same credit', async () => {
    const poor = await addUser(server.database.knex, `once-${count}`, { milli: 100 })
    const replies = await Promise.all([1, 2, 3].map(() => submit(FILE, { token: poor.token })))
    expect(replies.map(reply => reply.status).sort()).toEqual([201, 402, 402])
    expect(await balanceOf(poor.token)).toBe(12)
  })
})

describe('an idempotency key', () => {
  test('makes a repeated submission answer with the same campaign', async () => {
    const first = await submit(FILE, { key: 'once' })
    const again = await submit(FILE, { key: 'once' })
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.text).toBe(first.text)
    expect(await campaigns()).toBe(1)
    expect(await balanceOf(rich.token)).toBe(1_000_000 - 88)
  })

  test('refuses another body, and belongs to its user', async () => {
    await submit(FILE, { key: 'once' })
    const other = await submit({ ...FILE, title: 'Another' }, { key: 'once' })
    expect([other.status, other.code]).toEqual([409, 'idempotency_conflict'])
    const neighbour = await addUser(server.database.knex, `neighbour-${count}`, { milli: 1_000 })
    expect((await submit(FILE, { key: 'once', token: neighbour.token })).status).toBe(201)
    expect((await submit(FILE, { key: 'x'.repeat(201) })).code).toBe('bad_request')
  })

  test('holds when the same submission arrives several times at once', async () => {
    const replies = await Promise.all([1, 2, 3, 4].map(() => submit(FILE, { key: 'race' })))
    const ids = new Set(replies.map(reply => CampaignView.parse(reply.json).id))
    expect(ids.size).toBe(1)
    expect(replies.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1)
    expect(await campaigns()).toBe(1)
  })
})

describe('cancelling', () => {
  test('ends a campaign once; its owner may, others may not', async () => {
    const { id } = CampaignView.parse((await submit(FILE)).json)
    const stranger = await addUser(server.database.knex, `stranger-${count}`)
    const path = `/api/v1/campaigns/${id}/cancel`
    expect((await server.call('POST', path, { token: stranger.token })).code).toBe('scope_missing')
    server.woken.campaigns.length = 0
    const reply = await server.call('POST', path, { token: rich.token })
    expect(CampaignView.parse(reply.json)).toMatchObject({ state: 'cancelled', endedAt: expect.any(String) })
    expect(server.woken.campaigns).toEqual([id])
    expect((await server.call('POST', path, { token: rich.token })).status).toBe(200) // again: it is cancelled
    expect(server.woken.campaigns).toEqual([id])
  })

  test('of a finished campaign, or of one that never was, is refused', async () => {
    const { id } = CampaignView.parse((await submit(FILE)).json)
    await server.database.knex.raw(
      `update campaigns set state = 'finished', ended_by = 'runs', ended_at = now() where id = ?`,
      [id],
    )
    const reply = await server.call('POST', `/api/v1/campaigns/${id}/cancel`, { token: rich.token })
    expect([reply.status, reply.code]).toEqual([409, 'campaign_ended'])
    expect((await server.call('POST', '/api/v1/campaigns/c_none/cancel', { token: rich.token })).code).toBe(
      'not_found',
    )
  })

  test('an administrator may end any', async () => {
    const { id } = CampaignView.parse((await submit(FILE)).json)
    const admin = await addUser(server.database.knex, `admin-${count}`, { scopes: ['admin'] })
    const reply = await server.call('POST', `/api/v1/campaigns/${id}/cancel`, { token: admin.token })
    expect(reply.json).toMatchObject({ state: 'cancelled' })
  })
})
