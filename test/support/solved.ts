import { solveChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import { EnrolChallenge, type EnrolWork } from '#protocol/work.ts'
import type { TestServer } from './server.ts'

/** A challenge of the server, solved as clients solve it. */
export async function solvedWork(
  server: TestServer,
  headers: Readonly<Record<string, string>> = {},
  path = '/api/v1/hosts/challenge',
): Promise<EnrolWork> {
  const reply = await server.call('GET', path, { headers })
  const challenge = EnrolChallenge.parse(reply.json)
  const solution = await solveChallenge({ challenge, deriveKey })
  if (solution === null) throw new Error('not solved in time')
  return { challenge, solution: { counter: solution.counter, derivedKey: solution.derivedKey } }
}
