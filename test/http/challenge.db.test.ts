import { createChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { challengeKey } from '#http/challenge.ts'
import { EnrolReply } from '#protocol/host.ts'
import { CHALLENGE_MS } from '#protocol/limits.ts'
import { generateEd25519 } from '#protocol/signature.ts'
import type { EnrolWork } from '#protocol/work.ts'
import { enrolHost as enrolAsClient } from '#runtime/enrol.ts'
import { inTransaction } from '#store/database.ts'
import { excludeHosts } from '#store/standing.ts'
import { addUser } from '#support/builders.ts'
import type { Reply } from '#support/send.ts'
import { ENROLMENT, startServer, type TestServer } from '#support/server.ts'
import { solvedWork } from '#support/solved.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ enrolWork: 4_000 })
})
afterAll(() => server.close())

async function enrol(work: unknown, headers: Record<string, string> = {}, on = server): Promise<Reply> {
  const { publicKey } = await generateEd25519()
  const body = { ...ENROLMENT, publicKey, ...(work === undefined ? {} : { work }) }
  return on.call('POST', '/api/v1/hosts', { body, headers })
}

const hosts = async (on = server): Promise<number> =>
  (await on.database.knex.raw('select count(*) as n from hosts')).rows[0].n

/** Work with other parameters, and a counter that solves them. */
async function resolved(work: EnrolWork, changes: object): Promise<unknown> {
  const parameters = { ...work.challenge.parameters, ...changes }
  return { ...work, challenge: { ...work.challenge, parameters } }
}

describe('without a token, an enrolment takes work', () => {
  test('solved work enrols one host, once', async () => {
    const work = await solvedWork(server)
    expect((await enrol(work)).status).toBe(201)
    const again = await enrol(work)
    expect({ status: again.status, code: again.code }).toEqual({ status: 409, code: 'challenge_spent' })
  })

  test('of twenty who present the same work at once, one enrols', async () => {
    const before = await hosts()
    const work = await solvedWork(server)
    const replies = await Promise.all(Array.from({ length: 20 }, () => enrol(work)))
    expect(replies.filter(reply => reply.status === 201)).toHaveLength(1)
    expect(replies.filter(reply => reply.code === 'challenge_spent')).toHaveLength(19)
    expect(await hosts()).toBe(before + 1)
  })

  test('a taken key costs no work: the same work then enrols another key', async () => {
    const { publicKey } = await generateEd25519()
    const body = { ...ENROLMENT, publicKey }
    const first = { ...body, work: await solvedWork(server) }
    expect((await server.call('POST', '/api/v1/hosts', { body: first })).status).toBe(201)
    const work = await solvedWork(server)
    expect((await server.call('POST', '/api/v1/hosts', { body: { ...body, work } })).code).toBe('key_taken')
    expect((await enrol(work)).status).toBe(201)
  })

  test('with a token it takes none', async () => {
    const { token } = await addUser(server.database.knex, 'ada')
    const { publicKey } = await generateEd25519()
    const reply = await server.call('POST', '/api/v1/hosts', { token, body: { ...ENROLMENT, publicKey } })
    expect(reply.status).toBe(201)
  })

  test('none at all, unsolved, solved for another challenge, easier than asked, forged: refused, and no host is added', async () => {
    const before = await hosts()
    const work = await solvedWork(server)
    const other = await solvedWork(server)
    const easy = await createChallenge({
      ...{ algorithm: 'PBKDF2/SHA-256', cost: 1, keyPrefix: '0', deriveKey },
      ...{ hmacSignatureSecret: challengeKey('test'), data: work.challenge.parameters.data },
    })
    const foreign = await createChallenge({
      ...{ algorithm: 'PBKDF2/SHA-256', cost: 250, keyPrefix: '0', deriveKey },
      ...{ hmacSignatureSecret: challengeKey('another server'), data: work.challenge.parameters.data },
    })
    const { counter, derivedKey } = work.solution
    const later = { data: { expiresAt: '2036-01-01T00:00:00.000Z' } }
    const cases: readonly (readonly [string, unknown, string])[] = [
      ['none', undefined, 'challenge_required'],
      ['a counter that solves nothing', { ...work, solution: { counter: counter + 1, derivedKey } }, ''],
      ['a key that was made up', { ...work, solution: { counter, derivedKey: '0'.repeat(64) } }, ''],
      ['the solution of another', { ...work, solution: other.solution }, ''],
      ['a lower cost', await resolved(work, { cost: 1 }), ''],
      ['a longer life', await resolved(work, later), ''],
      ['easy, although it is ours', { ...work, challenge: easy }, ''],
      ['of another server', { ...work, challenge: foreign }, ''],
      ['a field that nobody signed', await resolved(work, { parallelism: 2 }), 'bad_request'],
      ['another algorithm', await resolved(work, { algorithm: 'SHA-256' }), 'bad_request'],
    ]
    for (const [what, sent, code] of cases)
      expect((await enrol(sent)).code, what).toBe(code === '' ? 'challenge_invalid' : code)
    expect(await hosts()).toBe(before)
    expect((await enrol(work)).status, 'and none of them spent it').toBe(201)
  })

  test('work is refused when it has expired, and forgotten only then', async () => {
    const work = await solvedWork(server)
    const late = await solvedWork(server)
    server.advance(CHALLENGE_MS)
    expect((await enrol(work)).status).toBe(201)
    server.advance(1)
    expect((await enrol(late)).code).toBe('challenge_expired')
  })

  test('the client solves what it is given', async () => {
    const { publicKey } = await generateEd25519()
    const asked: number[] = []
    const reply = await enrolAsClient(
      { server: server.url, fetch },
      { ...ENROLMENT, engineClasses: ['wasm'], publicKey },
      { onWork: iterations => asked.push(iterations) },
    )
    expect(reply.userId).toBeNull()
    expect(asked).toEqual([4_000])
  })
})

test('two processes of a server honour each other’s challenges, spend them once, and count together', async () => {
  const settings = { perMinute: 3, enrolWork: 16 }
  const one = await startServer(settings)
  const two = await startServer(settings, one)
  const work = await solvedWork(one)
  const both = await Promise.all([enrol(work, {}, one), enrol(work, {}, two)])
  expect(both.map(({ status }) => status).sort()).toEqual([201, 409])
  const works = await Promise.all([one, two, one, two, one, two].map(server => solvedWork(server)))
  const replies = await Promise.all(works.map((work, i) => enrol(work, {}, i % 3 === 0 ? one : two)))
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(2)
  expect(replies.filter(({ status }) => status === 429)).toHaveLength(4)
  await two.close()
  await one.close()
})

describe('a flood of enrolments', () => {
  const from = (address: string) => ({ 'x-forwarded-for': address })

  test('from one network is cut off for the rest of the day, before it works in vain; other networks are not', async () => {
    const strict = await startServer({ perPrefixDay: 3 })
    const works = await Promise.all(Array.from({ length: 8 }, () => solvedWork(strict)))
    const replies = await Promise.all(works.map((work, i) => enrol(work, from(`203.0.113.${i + 1}`), strict)))
    expect(replies.filter(reply => reply.status === 201)).toHaveLength(3)
    const refused = replies.filter(reply => reply.status === 429)
    expect(refused).toHaveLength(5)
    // Twelve hours to midnight, on the test's clock.
    expect(refused[0]!.json).toMatchObject({
      code: 'rate_limited',
      retryable: true,
      retryAfterMs: 12 * 3600_000,
    })
    const asked = await strict.call('GET', '/api/v1/hosts/challenge', { headers: from('203.0.113.77') })
    expect(asked.code).toBe('rate_limited')
    const left = works[replies.findIndex(reply => reply.status === 429)]
    expect((await enrol(left, from('203.0.112.1'), strict)).status, 'a refusal spends no work').toBe(201)
    expect((await enrol(await solvedWork(strict), {}, strict)).status, 'loopback is shared').toBe(201)
    strict.advance(12 * 3600_000)
    expect((await enrol(await solvedWork(strict), from('203.0.113.1'), strict)).status).toBe(201)
    await strict.close()
  })

  test('after an exclusion waits a day, before it works in vain; other networks do not', async () => {
    const strict = await startServer()
    const { json } = await enrol(await solvedWork(strict), from('203.0.113.1'), strict)
    const { hostId } = EnrolReply.parse(json)
    await inTransaction(strict.database.knex, trx =>
      excludeHosts(trx, [{ hostId, reason: 'a copied answer' }], strict.now()),
    )
    const work = await solvedWork(strict)
    const again = await enrol(work, from('203.0.113.2'), strict)
    expect(again.json).toMatchObject({ code: 'rate_limited', retryAfterMs: 24 * 3600_000 })
    const asked = await strict.call('GET', '/api/v1/hosts/challenge', { headers: from('203.0.113.2') })
    expect(asked.code).toBe('rate_limited')
    expect((await enrol(work, from('203.0.112.1'), strict)).status, 'a refusal spends no work').toBe(201)
    strict.advance(24 * 3600_000)
    expect((await enrol(await solvedWork(strict), from('203.0.113.2'), strict)).status).toBe(201)
    await strict.close()
  })

  test('from everywhere is cut off for the rest of the minute', async () => {
    const strict = await startServer({ perMinute: 5 })
    const works = await Promise.all(Array.from({ length: 12 }, () => solvedWork(strict)))
    const replies = await Promise.all(works.map((work, i) => enrol(work, from(`198.51.${i}.1`), strict)))
    expect(replies.filter(reply => reply.status === 201)).toHaveLength(5)
    expect(await hosts(strict)).toBe(5)
    const refused = replies.find(reply => reply.status === 429)
    expect(refused!.json).toMatchObject({ retryAfterMs: 60_000 })
    strict.advance(60_000)
    expect((await enrol(await solvedWork(strict), {}, strict)).status).toBe(201)
    await strict.close()
  })
})
