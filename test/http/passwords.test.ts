import { expect, test } from 'vitest'
import { checkPassword, hashPassword } from '#http/passwords.ts'
import { Refused } from '#http/problem.ts'
import { HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX } from '#protocol/limits.ts'
import { phcOf } from '#support/phc.ts'

test('a stored password is its own and no other; composed and decomposed accents are the same', async () => {
  const stored = await hashPassword('crème brûlée')
  expect(await checkPassword(stored, 'crème brûlée'.normalize('NFD'))).toEqual({ ok: true, stale: false })
  expect(await checkPassword(stored, 'Crème brûlée')).toEqual({ ok: false, stale: false })
  expect(await hashPassword('crème brûlée')).not.toBe(stored)
})

test('what another implementation stored under other parameters is right, and stale', async () => {
  // The reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
  const reference = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  expect(await checkPassword(reference, 'password')).toEqual({ ok: true, stale: true })
  const weak = phcOf('correct horse', { memory: 8_192, passes: 1, parallelism: 1 })
  expect(await checkPassword(weak, 'correct horse')).toEqual({ ok: true, stale: true })
})

test('without a stored one nothing is right, and a hash of the usual cost is computed all the same', async () => {
  expect(await checkPassword(undefined, 'anything')).toEqual({ ok: false, stale: false })
})

test('a flood is turned away before memory is, and whoever waited gets an answer', async () => {
  const all = HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX + 5
  const cheap = phcOf('x', { memory: 8, passes: 1, parallelism: 1 })
  const settled = await Promise.allSettled(Array.from({ length: all }, () => checkPassword(cheap, 'x')))
  const refused = settled.flatMap(one => (one.status === 'rejected' ? [one.reason] : []))
  expect(refused).toHaveLength(5)
  for (const error of refused) {
    expect(error).toBeInstanceOf(Refused)
    expect((error as Refused).problem).toMatchObject({
      code: 'unavailable',
      retryAfterMs: expect.any(Number),
    })
  }
  expect(await checkPassword(cheap, 'x')).toMatchObject({ ok: true })
})
