import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CampaignView } from '#protocol/campaign.ts'
import { NewKey } from '#protocol/keys.ts'
import { NoteView } from '#protocol/notes.ts'
import { OPERATIONS } from '#protocol/openapi.ts'
import { openApiDocument } from '#protocol/openapi-document.ts'
import type { Operation } from '#protocol/operation.ts'
import { addToken, addUser } from '#support/builders.ts'
import { bodyFor, jsonFor } from '#support/openapi-values.ts'
import type { Reply } from '#support/send.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'
import { submitted } from '#support/submitted.ts'

// The same cases every time; XEENET_SEED and XEENET_CASES look elsewhere and further.
const RUNS = { seed: Number(process.env.XEENET_SEED ?? 1), numRuns: Number(process.env.XEENET_CASES ?? 12) }

interface Described {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: object }[]
  readonly responses: Record<string, { content?: Record<string, { schema?: object }>; $ref?: string }>
}
const document = JSON.parse(JSON.stringify(openApiDocument('0.0.0'))) as {
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, object>; responses: { Problem: Described['responses'][string] } }
}

let server: TestServer
let tokens: (string | undefined)[]
let ids: string[]

beforeAll(async () => {
  server = await startServer()
  const { knex } = server.database
  const owner = await addUser(knex, 'owner', { milli: 1e6, scopes: ['enrol', 'campaign', 'kernel'] })
  const admin = await addToken(knex, owner.id as never, { scopes: ['admin'] })
  const path = await submitted(server, owner.token)
  const asked = { token: owner.token, body: { label: 'spare', scopes: ['read'] } }
  const key = NewKey.parse((await server.call('POST', '/api/v1/keys', asked)).json)
  const note = { token: owner.token, body: { kind: 'insight', text: 'So it is.', evidence: [] } }
  const { id } = NoteView.parse((await server.call('POST', `${path}/notes`, note)).json)
  const host = await enrolHost(server)
  ids = [path.split('/').at(-1) ?? '', key.keyId, id, host.id, ...UNKNOWN_IDS]
  tokens = [owner.token, owner.token, owner.token, admin, key.key ?? '', host.token, 'xu_wrong', undefined]
}, 120_000)
afterAll(() => server.close())

const UNKNOWN_IDS = [...'cehrwaknt'].map(kind => `${kind}_${'0'.repeat(26)}`)

test('every route is described, and every operation has a route', () => {
  const routed = server
    .routes()
    .filter(({ path }) => path.startsWith('/api/') || /^\/(healthz|readyz|metrics|.*\.json)$/.test(path))
  const named = (rows: readonly { method: string; path: string }[]) =>
    rows.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`).sort()
  expect(routed.length).toBeGreaterThan(40)
  expect(named(routed)).toEqual(named(OPERATIONS))
})

test('the document lints clean', async () => {
  const config = await createConfig({
    extends: ['recommended'],
    rules: {
      'no-ambiguous-paths': 'off', // /corpus/similar beside /corpus/{id}: no id looks like a word
      'no-unused-components': 'off', // lines of exports and reports of hosts are parsed one by one, and have names for readers
    },
  })
  const problems = await lintFromString({ source: JSON.stringify(document), config })
  const said = problems.map(
    ({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`,
  )
  expect(said).toEqual([])
  const broken = { ...document, info: {} }
  expect(await lintFromString({ source: JSON.stringify(broken), config })).not.toEqual([])
})

const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false })
ajv.addSchema({ $id: 'openapi', components: document.components })
const validators = new Map<string, ValidateFunction>()
function validatorOf(schema: object): ValidateFunction {
  const text = JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components')
  const validator = validators.get(text) ?? ajv.compile(JSON.parse(text))
  validators.set(text, validator)
  return validator
}

/** Why an answer is not what the document says; undefined when it is. */
function fault({ responses }: Described, reply: Reply): string | undefined {
  const { status, text, json } = reply
  if (status >= 500) return `${status}: ${text}`
  const described = responses[status] ?? responses[`${Math.floor(status / 100)}XX`]
  if (described === undefined) return `${status} is not described: ${text.slice(0, 300)}`
  const { content } = described.$ref === undefined ? described : document.components.responses.Problem
  const type = reply.headers.get('content-type')?.split(';')[0] ?? ''
  const media = content?.[type] ?? content?.['*/*']
  if (media === undefined) return `${status} is of type ${type}`
  if (media.schema === undefined) return undefined
  const validate = validatorOf(media.schema)
  return validate(json) ? undefined : `${status}: ${ajv.errorsText(validate.errors)}: ${text.slice(0, 300)}`
}

/** Values of a parameter: as described, and not. */
function valuesOf({
  in: place,
  name,
  schema,
}: NonNullable<Described['parameters']>[number]): fc.Arbitrary<string> {
  if (name === 'timeout') return fc.constantFrom('0', '-1', 'x')
  const garbage = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom('-1', '1e9', '%', '..', '\u0000', '❄'),
  )
  const good = jsonFor(schema, document.components).map(String)
  const choices = name === 'id' ? [fc.constantFrom(...ids)] : [good, good]
  const values = fc.oneof(...choices, ...choices, garbage)
  // Headers carry Latin letters only, and a path ends at an empty part.
  if (place === 'header') return values.map(value => value.replaceAll(/[^\x21-\x7e]/g, ''))
  return place === 'path' ? values.map(value => value.replace(/^\.*$/, 'x')) : values
}

function callOf(operation: Operation, described: Described) {
  const { method, path, body } = operation
  const parameters = described.parameters ?? []
  const optional = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: undefined })
  return fc.record({
    token: fc.constantFrom(...(`${method} ${path}` === 'delete /api/v1/me' ? tokens.slice(4) : tokens)),
    values: fc.tuple(...parameters.map(p => (p.in === 'path' ? valuesOf(p) : optional(valuesOf(p))))),
    body: method === 'get' ? fc.constant(undefined) : bodyFor(body, document.components),
  })
}

describe('every operation answers as it is described, whatever it is asked', () => {
  test.each(OPERATIONS)('$method $path', async operation => {
    const { method, path } = operation
    const described = document.paths[path]?.[method]
    if (described === undefined) throw new Error('not described')
    await fc.assert(
      fc.asyncProperty(callOf(operation, described), async ({ token, values, body }) => {
        const named = (described.parameters ?? []).map((p, i) => ({ ...p, value: values[i] }))
        const address = named.reduce(
          (url, p) =>
            p.in === 'path'
              ? url.replace(`{${p.name}}`, encodeURIComponent(p.value?.toWellFormed() ?? ''))
              : url,
          path,
        )
        const given = named.flatMap(p =>
          p.value === undefined || p.in === 'path' ? [] : [[p.in, p.name, p.value.toWellFormed()] as const],
        )
        const query = new URLSearchParams(
          given.flatMap(([place, n, v]) => (place === 'query' ? [[n, v]] : [])),
        )
        const headers = Object.fromEntries(
          given.flatMap(([place, n, v]) => (place === 'header' ? [[n, v]] : [])),
        )
        const url = query.size === 0 ? address : `${address}?${query}`
        const reply = await server.call(method.toUpperCase(), url, { token, body, headers })
        expect(fault(described, reply), `${method} ${url}`).toBeUndefined()
      }),
      RUNS,
    )
  })
})

test('a call of each kind is answered with success, so that replies were looked at and not only refusals', async () => {
  const body = {
    title: 'Again?',
    kernel: 'tiny@0',
    data: 'fox@1',
    metric: { name: 'val_bpb', goal: 'minimize' },
  }
  const file = {
    ...body,
    budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
    space: { lr: { log: [0.001, 0.1] } },
  }
  const token = tokens[0]
  const made = await server.call('POST', '/api/v1/campaigns', { token, body: file })
  const { id } = CampaignView.parse(made.json)
  for (const { method, path } of OPERATIONS.filter(
    ({ method, security }) => method === 'get' && security !== 'host',
  )) {
    const described = document.paths[path]?.[method]
    if (described === undefined || path.endsWith('/wait')) continue
    const reply = await server.call('GET', path.replace('{id}', id), { token })
    expect([path, fault(described, reply)]).toEqual([path, undefined])
  }
  expect(fault(document.paths['/api/v1/campaigns']!.post!, made)).toBeUndefined()
})
