import { afterAll, beforeAll, expect, test } from 'vitest'
import { addCounts } from '#store/rates.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer({ hostPerMinute: 5, anonymousPerMinute: 4 })
})
afterAll(() => server.close())

const counted = async (kind: string): Promise<number> => {
  const { rows } = await server.database.knex.raw(
    'select coalesce(sum(n), 0)::int as n from rate_counts where starts_with(scope, ?)',
    [kind],
  )
  return rows[0].n
}
const until = async (fits: () => Promise<boolean>): Promise<void> => {
  while (!(await fits())) await new Promise(resolve => setImmediate(resolve))
}

test('a host that calls too often waits for the next minute of the clock; others do not', async () => {
  const [eager, other] = [await enrolHost(server), await enrolHost(server)]
  for (let i = 0; i < 5; i++) expect((await eager.call()).status).toBe(200)
  const refused = await eager.call()
  expect([refused.status, refused.code]).toEqual([429, 'rate_limited'])
  const { retryAfterMs } = JSON.parse(refused.text)
  expect(retryAfterMs).toBeGreaterThan(0)
  expect((await other.call()).status).toBe(200)
  server.advance(retryAfterMs)
  expect((await eager.call()).status).toBe(200)
})

test('what one process counted the others know a second later', async () => {
  const beside = await startServer({ anonymousPerMinute: 4 }, server)
  server.advance(60_000)
  beside.advance(server.now() - beside.now())
  const headers = { 'x-forwarded-for': '203.0.113.9' }
  const from = async (process: TestServer) =>
    (await process.call('GET', '/api/v1/hosts/challenge', { headers })).status
  const before = await counted('call:')
  for (let i = 0; i < 4; i++) expect(await from(server)).toBe(200)
  server.advance(1_000)
  expect(await from(server)).toBe(429) // and this shares what was counted
  await until(async () => (await counted('call:')) >= before + 4)
  expect(await from(beside)).toBe(200) // it has not asked yet
  beside.advance(1_000)
  expect(await from(beside)).toBe(200) // now it does
  await until(async () => (await counted('call:')) >= before + 5)
  beside.advance(1_000)
  await until(async () => (await from(beside)) === 429)
  await beside.close()
})

test('nothing that is counted names an address, and two minutes later it is forgotten', async () => {
  const { rows } = await server.database.knex.raw('select scope from rate_counts')
  expect(
    rows.filter(({ scope }: { scope: string }) => !/^(host:h_\w{26}|(call|login):[0-9a-f]{32})$/.test(scope)),
  ).toEqual([])
  await addCounts(server.database.knex, [{ scope: 'host:old', minute: 1, n: 3 }])
  server.advance(180_000)
  await (await enrolHost(server)).call()
  await until(async () => (await counted('host:old')) === 0)
})

test('with too many calls in hand the next one is asked to come back, later each second, and probes get in', async () => {
  const busy = await startServer({ inFlightMax: 2 })
  const hosts = [await enrolHost(busy), await enrolHost(busy)]
  const lock = await busy.database.knex.transaction()
  await lock.raw('lock table hosts in access exclusive mode')
  const held = hosts.map(host => host.call({}, { call: 1 }))
  const overloaded = async () => (await busy.call('GET', '/api/v1/prices')).status === 503
  await until(overloaded)
  const waits: number[] = []
  for (let second = 0; second < 4; second++) {
    busy.advance(1_000)
    const { status, json, headers } = (await busy.call('GET', '/api/v1/prices')) as {
      status: number
      json: { retryAfterMs: number; code: string }
      headers: Headers
    }
    expect([status, json.code]).toEqual([503, 'unavailable'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    waits.push(json.retryAfterMs)
  }
  expect(waits[3]).toBeGreaterThan(2 * (waits[0] ?? 0))
  expect((await busy.call('GET', '/readyz')).status).toBe(200)
  await lock.rollback()
  expect((await Promise.all(held)).map(reply => reply.status)).toEqual([200, 200])
  expect((await busy.call('GET', '/api/v1/prices')).status).toBe(200)
  await busy.close()
})
