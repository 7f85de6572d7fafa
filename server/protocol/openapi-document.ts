import { z } from 'zod'
import { COOKIES, CSRF_HEADER } from './cookies.ts'
import { CALL_HEADER, HOST_HEADER, SIGNATURE_HEADER } from './host.ts'
import { OPERATIONS, SCHEMAS } from './openapi.ts'
import type { Operation, Security } from './operation.ts'
import { parameterOf } from './parameters.ts'
import { PROBLEMS } from './problem.ts'

/** The OpenAPI 3.1 document, generated from the schemas that the server parses with. */
export function openApiDocument(version: string): object {
  const schemas = Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)])
  return {
    openapi: '3.1.0',
    info: {
      ...{ title: 'XeeNet', version, description: 'SETI@home for machine-learning experiments.' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The server that gave this document' }],
    paths: pathsOf(OPERATIONS),
    components: {
      schemas: Object.fromEntries(schemas),
      responses: { Problem: PROBLEM_RESPONSE },
      securitySchemes: {
        user: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token or an API key of a user, with scopes.',
        },
        session: {
          ...{ type: 'apiKey', in: 'cookie', name: COOKIES.session },
          description:
            `Of a browser that is logged in; over https the name begins with __Host-. What changes something ` +
            `carries the cookie ${COOKIES.csrf} as the header ${CSRF_HEADER}, and comes from the same origin.`,
        },
        host: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token of a host; the call is signed as well.',
        },
      },
    },
    'x-problem-codes': Object.fromEntries(
      Object.entries(PROBLEMS).map(([code, [status, retryable, title, hint]]) => [
        code,
        { status, retryable, title, hint },
      ]),
    ),
  }
}

const PROBLEM_RESPONSE = {
  description: 'An RFC 9457 problem with a stable code; see x-problem-codes',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

// Bodies are described as they are sent: defaults may be left out.
const jsonSchema = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' })

const wordsOf = (path: string): string[] => path.replace('/api/v1', '').split('/').filter(Boolean)

const tagOf = (path: string): string => wordsOf(path)[0]?.replace(/\W+/g, '-') ?? 'server'

/** `getCampaignsByIdNotes`. */
const operationId = ({ method, path }: Operation): string =>
  `${method}${path.startsWith('/api/') ? '' : 'Root'}` +
  wordsOf(path)
    .flatMap(word => (word.startsWith('{') ? ['by', word.slice(1, -1)] : word.split(/\W+/)))
    .map(word => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')

function pathsOf(operations: readonly Operation[]): Record<string, Record<string, object>> {
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation) }
  }
  return paths
}

function describe(operation: Operation): object {
  const { path, summary, security, body, bodyOptional = false } = operation
  const parameters = parametersOf(operation)
  return {
    ...{ operationId: operationId(operation), tags: [tagOf(path)], summary },
    ...(parameters.length === 0 ? {} : { parameters }),
    security: securityOf(security),
    ...(body === undefined ? {} : { requestBody: { required: !bodyOptional, content: contentOf(body) } }),
    responses: responsesOf(operation),
  }
}

function parametersOf({ path, security, query = [], headers = [], dryRun }: Operation): object[] {
  const signed = security === 'host' ? [HOST_HEADER, CALL_HEADER, SIGNATURE_HEADER] : []
  return [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(match => parameterOf('path', match[1] ?? '', true)),
    ...query.map(name => parameterOf('query', name, false)),
    ...(dryRun === undefined ? [] : [parameterOf('query', 'dry_run', false)]),
    ...signed.map(name => parameterOf('header', name, true)),
    ...headers.map(name => parameterOf('header', name, false)),
  ]
}

function responsesOf({ summary, reply, status = 200, also = [], dryRun }: Operation): object {
  const answer = { description: summary, content: contentOf(reply) }
  const rehearsed = { description: 'What the call would do', content: contentOf(dryRun ?? reply) }
  const either = { description: summary, content: eitherOf(reply, dryRun ?? reply) }
  return {
    ...Object.fromEntries([...also, status].map(code => [code, answer])),
    ...(dryRun === undefined ? {} : { 200: status === 200 ? either : rehearsed }),
    '4XX': { $ref: '#/components/responses/Problem' },
    '5XX': { $ref: '#/components/responses/Problem' },
  }
}

function securityOf(security: Security = 'nobody'): object[] {
  switch (security) {
    case 'nobody':
      return []
    case 'anybody':
      return [{}, { user: [] }, { session: [] }]
    case 'user':
      return [{ user: [] }, { session: [] }]
    case 'session?':
      return [{}, { session: [] }]
    case 'session':
    case 'host':
      return [{ [security]: [] }]
  }
}

const refOf = (name: string) => ({ $ref: `#/components/schemas/${name}` })

const eitherOf = (a: string, b: string): object =>
  a === b ? contentOf(a) : { 'application/json': { schema: { anyOf: [refOf(a), refOf(b)] } } }

function contentOf(name: string): object {
  if (name === 'bytes') return { 'application/octet-stream': {} }
  if (name === 'text') return { '*/*': {} }
  return { 'application/json': { schema: refOf(name) } }
}
