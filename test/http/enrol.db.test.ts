import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EnrolReply, HostView } from '#protocol/host.ts'
import { generateEd25519 } from '#protocol/signature.ts'
import { addMs } from '#protocol/units.ts'
import { addToken, addUser, T0 } from '#support/builders.ts'
import { ENROLMENT, enrolHost, startServer, type TestServer } from '#support/server.ts'
import { solvedWork } from '#support/solved.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

async function enrolment(changes: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const { publicKey } = await generateEd25519()
  return { ...ENROLMENT, publicKey, ...changes }
}

const enrol = async (body: unknown, options: { token?: string; headers?: Record<string, string> } = {}) =>
  server.call('POST', '/api/v1/hosts', { body, ...options })

/** The same without a token, with the work that this takes. */
const enrolAnonymous = async (body: object, headers: Record<string, string> = {}) =>
  enrol({ ...body, work: await solvedWork(server, headers) }, { headers })

const ownerKeyOf = async (hostId: string): Promise<string> => {
  const { rows } = await server.database.knex.raw('select owner_key from hosts where id = ?', [hostId])
  return rows[0].owner_key
}

describe('a host enrols', () => {
  test('without a token: it belongs to nobody, gets a name and a token that is shown once', async () => {
    const reply = await enrolAnonymous(await enrolment())
    expect(reply.status).toBe(201)
    const enrolled = EnrolReply.parse(reply.json)
    expect(enrolled.userId).toBeNull()
    expect(enrolled.name).toMatch(/^[a-z]+-[0-9a-z]{4}$/)
    const { rows } = await server.database.knex.raw('select token_hash from hosts where id = ?', [
      enrolled.hostId,
    ])
    expect(rows[0].token_hash).not.toContain(enrolled.token)
  })

  test('with an enrolment token: it belongs to the user, and so do its work and its credit', async () => {
    const { id, token } = await addUser(server.database.knex, 'ada', { scopes: ['enrol'] })
    const enrolled = EnrolReply.parse((await enrol(await enrolment({ name: 'owl-3' }), { token })).json)
    expect(enrolled).toMatchObject({ userId: id, name: 'owl-3' })
    expect(await ownerKeyOf(enrolled.hostId)).toBe(`user:${id}`)
  })

  test('with a token of scope verify: it is trusted and counts as the platform', async () => {
    const { token } = await addUser(server.database.knex, 'platform', { scopes: ['verify'] })
    const enrolled = EnrolReply.parse((await enrol(await enrolment(), { token })).json)
    const view = HostView.parse((await server.call('GET', `/api/v1/hosts/${enrolled.hostId}`)).json)
    expect(view).toMatchObject({ trusted: true, state: 'active', grantedMilli: 0 })
    expect(await ownerKeyOf(enrolled.hostId)).toBe('platform')
  })

  test.each([
    ['203.0.113.7', '203.0.113.200', true],
    ['203.0.113.7', '203.0.114.7', false],
    ['2001:db8:1:2::1', '2001:db8:1:ffff::9', true],
    ['2001:db8:1::1', '2001:db8:2::1', false],
    ['127.0.0.1', '127.0.0.1', false], // shared by design: each host is its own owner
  ])('anonymous hosts of %s and %s are one owner: %s', async (one, other, same) => {
    const keys = await Promise.all(
      [one, other].map(async address => {
        const reply = await enrolAnonymous(await enrolment(), { 'x-forwarded-for': address })
        return ownerKeyOf(EnrolReply.parse(reply.json).hostId)
      }),
    )
    expect(keys[0] === keys[1]).toBe(same)
    for (const key of keys) expect(key).not.toContain(one)
  })
})

describe('an enrolment is refused', () => {
  test.each([
    ['an unknown field', { admin: true }, 400, 'bad_request', 'admin'],
    ['a key that is none', { publicKey: 'x'.repeat(43) }, 400, 'bad_request', 'publicKey'],
    ['no engine', { engineClasses: [] }, 400, 'bad_request', 'engineClasses'],
    ['an unknown engine', { engineClasses: ['abacus'] }, 400, 'bad_request', 'engineClasses'],
    ['no cores', { cores: 0 }, 400, 'bad_request', 'cores'],
    ['too many cores', { cores: 257 }, 400, 'bad_request', 'cores'],
    ['a name that is too long', { name: 'x'.repeat(61) }, 400, 'bad_request', 'name'],
    ['an old protocol', { protocol: 0 }, 426, 'protocol_too_old', undefined],
    ['a future protocol', { protocol: 2 }, 400, 'bad_request', 'protocol'],
  ])('%s', async (_what, changes, status, code, field) => {
    const reply = await enrol(await enrolment(changes))
    expect({ status: reply.status, code: reply.code }).toEqual({ status, code })
    if (field !== undefined) expect(reply.json).toMatchObject({ detail: expect.stringContaining(field) })
    expect(reply.json).toMatchObject({
      hint: expect.any(String),
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  test('a body that is not JSON, not UTF-8, compressed, or too large', async () => {
    expect((await enrol('{')).code).toBe('bad_request')
    expect((await enrol(new Uint8Array([0x22, 0xff, 0x22]))).code).toBe('bad_request')
    expect((await enrol('{}', { headers: { 'content-encoding': 'gzip' } })).code).toBe('bad_request')
    const large = await enrol(`"${'x'.repeat(20_000)}"`)
    expect({ status: large.status, code: large.code }).toEqual({ status: 413, code: 'body_too_large' })
  })

  test('a key that another host has', async () => {
    const body = await enrolment()
    expect((await enrolAnonymous(body)).status).toBe(201)
    const again = await enrolAnonymous(body)
    expect({ status: again.status, code: again.code }).toEqual({ status: 409, code: 'key_taken' })
  })

  test('a token that is unknown, expired, revoked, or of another scope', async () => {
    const { knex } = server.database
    const { id } = await addUser(knex, 'grace')
    const expired = await addToken(knex, id, { scopes: ['enrol'], expiresAt: addMs(T0, -1) })
    const campaign = await addToken(knex, id, { scopes: ['campaign'] })
    const revoked = await addToken(knex, id, { scopes: ['enrol', 'verify'] })
    await knex.raw(`update tokens set revoked_at = now() where 'verify' = any(scopes) and user_id = ?`, [id])
    const codes = []
    for (const token of ['xu_nobody', expired, revoked, campaign])
      codes.push((await enrol(await enrolment(), { token })).code)
    expect(codes).toEqual(['token_unknown', 'token_expired', 'token_expired', 'scope_missing'])
  })
})

test('addresses that enrol too often are told to wait; loopback and bearers of tokens are not', async () => {
  const strict = await startServer({ anonymousPerMinute: 2 })
  const from = async (address: string, token?: string) => {
    const work = token === undefined ? { work: await solvedWork(strict) } : {} // asked for elsewhere
    return strict.call('POST', '/api/v1/hosts', {
      body: await enrolment(work),
      token,
      headers: { 'x-forwarded-for': address },
    })
  }
  for (let i = 0; i < 2; i++) expect((await from('198.51.100.1')).status).toBe(201)
  const refused = await from('198.51.100.1')
  expect({ status: refused.status, code: refused.code }).toEqual({ status: 429, code: 'rate_limited' })
  expect(refused.json).toMatchObject({ retryable: true, retryAfterMs: expect.any(Number) })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await from('198.51.100.2')).status).toBe(201)
  const { token } = await addUser(strict.database.knex, 'ada')
  expect((await from('198.51.100.1', token)).status).toBe(201)
  for (let i = 0; i < 3; i++) expect((await from('127.0.0.1')).status).toBe(201)
  await strict.close()
})

test('what is public about a host says nothing about its owner', async () => {
  const { token } = await addUser(server.database.knex, 'lin')
  const host = await enrolHost(server, { token })
  const reply = await server.call('GET', `/api/v1/hosts/${host.id}`)
  expect(HostView.parse(reply.json).results).toMatchObject({ inProgress: 0, valid: 0 })
  expect(reply.text).not.toMatch(/u_[0-9a-z]{26}|owner|token|key/i)
  expect((await server.call('GET', '/api/v1/hosts/h_unknown')).code).toBe('not_found')
})
