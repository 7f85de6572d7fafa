import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { openApiDocument } from '#protocol/openapi-document.ts'
import { addUser } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let host: TestHost
let token: string
let ids: Readonly<Record<string, string>>

beforeAll(async () => {
  scene = await startScene()
  host = await enrolHost(scene.server)
  token = (await addUser(scene.server.database.knex, 'fuzzer')).token
  const { id, units } = await scene.campaign([{}])
  ids = { campaign: id, result: units[0]!.resultIds[0]!, host: host.id }
})
afterAll(() => scene.server.close())

const NAMES = [
  'x',
  '%00',
  '%ff',
  '..%2f',
  `h_${'0'.repeat(26)}`,
  'a'.repeat(3_000),
  '9'.repeat(30),
  '-1',
  '0',
  '1e309',
]
const QUERIES = [
  ...['', '?limit=-1', '?limit=1e300', '?limit=', '?after=%00', '?after=%ff', '?before=99999999999999999999'],
  ...[
    '?after=a&after=b',
    '?limit=1&before=0',
    '?through=%00&limit=x',
    '?after=1e400',
    '?format=%00',
    '?a[b]=c',
  ],
]
const half = String.fromCharCode(0xd800)
const BODIES = [
  ...['', 'null', '[]', '7', '{', '{"__proto__": {"a": 1}}', '['.repeat(10_000), `{"text": "${half}"}`],
  ...[
    '{"text": "\\u0000"}',
    '{"text": "\\ud800"}',
    '{"text": ""}',
    '{"userToken": "\\u0000"}',
    '{"userToken": ""}',
  ],
  ...[
    '{"publicKey": "\\u0000", "protocol": 1}',
    '{"work": {"challenge": null}}',
    '{"held": [1], "reports": [null]}',
  ],
]

const Described = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })

/** The addresses of a described path, its parameters hostile or real. */
const addresses = (path: string): string[] =>
  path.includes('{')
    ? [...NAMES, ...Object.values(ids)].map(name => path.replaceAll(/\{\w+\}/g, name))
    : QUERIES.map(query => path + query)

test('no address, query or body makes the server fail', { timeout: 120_000 }, async () => {
  const failures: string[] = []
  const { paths: described } = Described.parse(openApiDocument('test'))
  const paths = Object.entries(described)
  expect(paths.length).toBeGreaterThan(20)
  for (const [path, methods] of paths)
    for (const method of Object.keys(methods)) {
      const bodies = method === 'get' || method === 'delete' ? [undefined] : BODIES
      for (const address of addresses(path))
        for (const body of bodies) {
          // A real account is not deleted, and every address gets each body once: signed for hosts, with a token for others.
          if (path.endsWith('/me') && method === 'delete') continue
          const isHost = path.includes('/hosts/') && method === 'post'
          const reply = isHost
            ? await signed(method.toUpperCase(), address, body ?? '')
            : await scene.server.call(method.toUpperCase() as 'GET', address, {
                token,
                ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
              })
          if (reply.status >= 500) failures.push(`${method} ${address.slice(0, 80)} ${body}: ${reply.text}`)
        }
    }
  expect(failures).toEqual([])
})

const signed = (method: string, address: string, body: string) =>
  host.say(method, address, body === '' ? undefined : body)

test.each([
  ['half a character', { selfTest: { passed: true, detail: half } }],
  ['a control character', { selfTest: { passed: true, detail: '\u0000' } }],
  ['a fraction beyond one', { held: [{ resultId: 'r', fraction: 1e308 }] }],
  ['the lease of nobody', { held: [{ resultId: `r_${'0'.repeat(26)}`, fraction: 0 }] }],
  ['half a name', { reports: [{ resultId: half }] }],
  [
    'a report with a control character',
    { reports: [{ resultId: 'r_\u0000', type: 'error', code: 'internal', detail: '\u0000' }] },
  ],
])('a scheduler call with %s is answered', async (_, words) => {
  expect((await host.call(words)).status).toBeLessThan(500)
})
