import { expect, test } from 'vitest'
import { isUnavailable } from '#store/errors.ts'

test.each([
  [{ code: 'ECONNREFUSED' }, true],
  [{ code: 'ENOENT' }, true], // of its socket
  [{ code: '57P03' }, true], // it is starting
  [{ code: '08006' }, true],
  [{ message: 'Connection terminated unexpectedly' }, true], // pg gives it no code
  [{ code: '23505' }, false],
  [{ code: '42P01' }, false],
  [{ message: 'PostgreSQL did not come back within a minute' }, false],
])('a statement that fails with %o met a PostgreSQL that is away: %s', (facts, away) => {
  expect(isUnavailable(Object.assign(new Error(), facts))).toBe(away)
})
