import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reportBytes } from '#protocol/host.ts'
import { generateEd25519, signBytes } from '#protocol/signature.ts'
import type { ResultId } from '#protocol/units.ts'
import { addUser, runReport, sha256 } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { ENROLMENT, enrolHost, type TestHost } from '#support/server.ts'

// Text that JSON can carry and PostgreSQL, or a terminal, cannot.
const NUL = 'a\u0000b'
const HALF = 'a\ud83d' // what cutting an emoji in two leaves
const ESCAPE = 'a\u001b[2Jb'

const FILE = {
  title: 'Which learning rate?',
  ...{ kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
  baseline: false,
  space: { lr: { log: [0.001, 0.1], points: 4 } },
  sampler: { name: 'grid' },
}

let scene: Scene
let server: Scene['server']
let host: TestHost
let token: string

beforeAll(async () => {
  scene = await startScene()
  server = scene.server
  host = await enrolHost(server)
  token = (await addUser(server.database.knex, 'rich', { milli: 1e9 })).token
})
afterAll(() => server.close())

async function leased(): Promise<ResultId> {
  await scene.clear()
  await scene.campaign([{ results: 1, quorum: 1, createdAt: server.now() }])
  const { leases } = await host.ask({ want: 1 })
  const [lease] = leases
  if (lease === undefined) throw new Error('no lease')
  return lease.resultId
}

async function signed(resultId: ResultId, report: string) {
  const digest = sha256(report)
  const bytes = reportBytes({ serverId: server.serverId, hostId: host.id, resultId, digest })
  const signature = await signBytes(host.privateKey, bytes)
  return { resultId, outcome: 'success', report, digest, signature, cpuMs: 1 }
}

describe('text that cannot be stored, or would move a cursor, is refused by name', () => {
  test.each([NUL, HALF, ESCAPE])('in a campaign file: %j', async bad => {
    for (const change of [{ title: bad }, { question: bad }]) {
      const reply = await server.call('POST', '/api/v1/campaigns', { token, body: { ...FILE, ...change } })
      expect(reply).toMatchObject({ status: 422, code: 'campaign_invalid' })
    }
  })

  test.each([NUL, HALF, ESCAPE])('at enrolment: %j', async bad => {
    const { publicKey } = await generateEd25519()
    for (const change of [{ name: bad }, { client: bad }]) {
      const body = { ...ENROLMENT, publicKey, ...change }
      const reply = await server.call('POST', '/api/v1/hosts', { body })
      expect(reply).toMatchObject({ status: 400, code: 'bad_request' })
    }
  })

  test.each([NUL, HALF, ESCAPE])('in what a host says of itself: %j', async bad => {
    const text = JSON.stringify({ ...ENROLMENT, reports: [], held: [], want: 0, client: bad })
    const { protocol: _, ...body } = JSON.parse(text)
    expect(await host.call(body)).toMatchObject({ status: 400, code: 'bad_request' })
  })

  test.each([NUL, HALF])('in one error report, which stops only itself: %j', async detail => {
    const [first, second] = [await leased(), await leased()]
    const error = { outcome: 'error', code: 'internal', cpuMs: 1 }
    const reports = [
      { ...error, resultId: first, detail },
      { ...error, resultId: second, detail: 'two\nlines' },
    ]
    const reply = await host.ask({ reports })
    expect(reply.reports).toMatchObject([
      { resultId: first, outcome: 'refused', code: 'report_malformed' },
      { resultId: second, outcome: 'accepted' },
    ])
  })

  test('half a surrogate pair inside the text of a report: that report is malformed', async () => {
    const resultId = await leased()
    const { reports } = await host.ask({ reports: [await signed(resultId, '{"a":"\\ud800"}')] })
    expect(reports).toMatchObject([{ resultId, outcome: 'refused', code: 'report_malformed' }])
  })

  test.each([NUL, HALF, ESCAPE, ''])('as the name of a counter: %j', async name => {
    const resultId = await leased()
    const counters = JSON.parse(`{${JSON.stringify(name)}:1}`)
    const text = JSON.stringify(runReport()).replace(
      /"counters":{.*?}/,
      `"counters":${JSON.stringify(counters)}`,
    )
    const report =
      name === HALF ? await signed(resultId, text) : await host.report(resultId, JSON.parse(text))
    const { reports } = await host.ask({ reports: [report] })
    expect(reports).toMatchObject([{ resultId, outcome: 'refused', code: 'report_malformed' }])
  })
})

describe('numbers that cannot be stored or averaged are refused by name', () => {
  test('more memory than a machine has', async () => {
    const reply = await host.call({ memoryMiB: 2 ** 31 })
    expect(reply).toMatchObject({ status: 400, code: 'bad_request' })
  })

  test('a metric whose square is no number', async () => {
    const resultId = await leased()
    const run = runReport({ metric: { name: 'val_bpb', value: 1e200 } })
    const { reports } = await host.ask({ reports: [await host.report(resultId, run)] })
    expect(reports).toMatchObject([{ resultId, outcome: 'refused', code: 'report_malformed' }])
  })
})

test.each(['space', 'recipe'])(
  'a parameter called __proto__ in the %s is refused, not dropped',
  async field => {
    const value = field === 'space' ? { choice: [1] } : 1
    const body = JSON.stringify({ recipe: {}, ...FILE }).replace(
      new RegExp(`"${field}":{`),
      text => `${text}"__proto__":${JSON.stringify(value)}${field === 'space' ? ',' : ''}`,
    )
    const reply = await server.call('POST', '/api/v1/campaigns', { token, body })
    expect(reply).toMatchObject({ status: 400, code: 'bad_request' })
  },
)

test.each([1.001, 2.002, 4.004, 8.008])(
  'a budget of exactly the quote, %d credits, is enough',
  async credits => {
    const perRun = Math.round((credits * 10_000) / 11)
    const exact = perRun + Math.ceil(perRun / 10)
    expect(exact).toBe(Math.round(credits * 1000))
    const body = {
      ...FILE,
      budget: { fuel_per_run: perRun * 1e8, runs: 1, credits },
      replicate: { quorum: 1, policy: 'fixed' },
      space: { lr: { choice: [0.01] } },
    }
    const reply = await server.call('POST', '/api/v1/campaigns', { token, body })
    expect(reply).toMatchObject({ status: 201, json: { credit: { reservedMilli: exact } } })
  },
)

test('a space of parameters that the kernel does not have is refused before it is looked through', async () => {
  const space = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`p${i}`, { int: [0, 99_999] }]))
  const started = performance.now()
  const reply = await server.call('POST', '/api/v1/campaigns/validate', { token, body: { ...FILE, space } })
  expect(reply).toMatchObject({ status: 422, code: 'recipe_invalid' })
  expect(performance.now() - started).toBeLessThan(300) // it took a second of everybody's time
})
