import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noteUpkeep } from '#store/upkeep.ts'
import { addToken, addUser, T0 } from '#support/builders.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

/** The value of every line of the exposition, by name and labels; throws at a line of another form. */
async function scraped(from = server): Promise<Map<string, number>> {
  const { text, status } = await from.call('GET', '/metrics')
  expect(status).toBe(200)
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const parts = /^([a-z][a-z0-9_]*(?:\{(?:[a-z_]+="[^"]*",?)*\})?) (\S+)$/i.exec(line)
      if (parts === null) throw new Error(`no exposition: ${line}`)
      return [parts[1] ?? '', Number(parts[2])]
    }),
  )
}

describe('whether a process may be given callers', () => {
  test('while migrations are missing it says which many', async () => {
    const behind = await startServer()
    await behind.database.knex.raw('delete from schema_migrations where number > 2')
    const { status, code, text } = await behind.call('GET', '/readyz')
    expect([status, code]).toEqual([503, 'not_ready'])
    expect(text).toMatch(/\d\d migrations are not applied/)
    await behind.close()
  })

  test('one that was asked to stop lives, answers what still comes, and has connections closed', async () => {
    const leaving = await startServer()
    expect((await leaving.call('GET', '/readyz')).status).toBe(200)
    leaving.drain()
    expect((await leaving.call('GET', '/readyz')).code).toBe('not_ready')
    expect((await leaving.call('GET', '/healthz')).status).toBe(200)
    const reply = await fetch(`${leaving.url}/api/v1/server`)
    expect([reply.status, reply.headers.get('connection')]).toEqual([200, 'close'])
    await leaving.close()
  })
})

describe('metrics', () => {
  test('count requests by the template of their route, whatever callers make up', async () => {
    const fresh = await startServer()
    await enrolHost(fresh)
    for (const path of ['/api/v1/hosts/h_1', '/api/v1/hosts/h_2', '/nowhere/1', '/nowhere/2'])
      await fresh.call('GET', path)
    await fresh.call('PROPFIND', '/nowhere/3')
    const found = await scraped(fresh)
    const value = (labels: string) => found.get(`xeenet_http_requests_total{${labels}}`)
    expect(value('method="GET",route="/api/v1/hosts/:id",status="404"')).toBe(2)
    expect(value('method="POST",route="/api/v1/hosts",status="201"')).toBe(1)
    expect(value('method="GET",route="other",status="404"')).toBe(2)
    expect(value('method="other",route="other",status="404"')).toBe(1)
    expect([...found.keys()].filter(key => /nowhere|h_1|PROPFIND/.test(key))).toEqual([])
    expect(found.get('xeenet_http_request_seconds_count{method="POST",route="/api/v1/hosts"}')).toBe(1)
    await fresh.close()
  })

  test('say what the database knows, and what was done when', async () => {
    await noteUpkeep(server.database.knex, { kind: 'backup', at: T0 })
    await enrolHost(server)
    server.advance(60_000)
    const found = await scraped()
    expect(found.get('xeenet_database_up')).toBe(1)
    expect(found.get('xeenet_upkeep_age_seconds{what="backup"}')).toBe(60)
    expect(found.has('xeenet_upkeep_age_seconds{what="restoreTest"}')).toBe(false)
    expect(found.get('xeenet_hosts{state="active"}')).toBe(1)
    expect(found.get('xeenet_ledger_sum_millicredits')).toBe(0)
    expect(found.get('xeenet_pool_connections{state="waiting"}')).toBe(0)
    expect(found.get('xeenet_nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
  })

  test('are told to programs on this machine and to operators, not to who came through a proxy', async () => {
    const headers = { 'x-forwarded-for': '127.0.0.1' }
    expect((await server.call('GET', '/metrics', { headers })).code).toBe('token_missing')
    const { id } = await addUser(server.database.knex, 'prometheus')
    const [admin, other] = [
      await addToken(server.database.knex, id, { scopes: ['admin'] }),
      await addToken(server.database.knex, id, { scopes: ['campaign'] }),
    ]
    expect((await server.call('GET', '/metrics', { headers, token: other })).code).toBe('scope_missing')
    expect((await server.call('GET', '/metrics', { headers, token: admin })).status).toBe(200)
  })
})

test('a request keeps the id that a proxy gave it, unless it is none', async () => {
  const named = async (id: string) =>
    (await fetch(`${server.url}/healthz`, { headers: { 'x-request-id': id } })).headers.get('x-request-id')
  expect(await named('proxy-0001')).toBe('proxy-0001')
  expect(await named('a "quoted" one')).toMatch(/^[0-9a-f-]{36}$/)
})
