import { createHmac } from 'node:crypto'
import type { Request } from 'express'
import { type AttemptKind, countedOn, waitFor } from '#domain/login.ts'
import { nameKey } from '#domain/names.ts'
import type { UserId } from '#protocol/units.ts'
import { forgiveAttempts, lockAttempts, saveAttempts } from '#store/attempts.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { addressName, originReader } from './address.ts'
import { knownBrowser } from './cookies.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

/** What a guess counts in: the kind before the colon, and nothing from which a person or an address could be read. */
type Scope = `${AttemptKind}:${string}`

/** Guesses that are bounded. A guess counts as wrong before it is looked at, so that many at once are no way around. */
export interface Throttle {
  /** In what guesses at a password count. `userId`: of the account that is meant, if there is one. */
  scopesOfLogin(req: Request, name: string, userId: UserId | undefined): readonly Scope[]
  /** In what guesses at a code of a machine count. */
  scopesOfCode(userId: UserId): readonly Scope[]
  /** Throws `Refused` while one has to wait; else counts. */
  take(scopes: readonly Scope[]): Promise<void>
  /** The guess was right. */
  forgive(trx: Trx, scopes: readonly Scope[]): Promise<void>
}

export function newThrottle(edge: Edge): Throttle {
  const originOf = originReader(edge.settings.sharedPrefixes)
  const blind = (text: string): string =>
    createHmac('sha256', edge.prefixSecret).update(`attempt|${text}`).digest('hex').slice(0, 32)
  const addressScopes = (req: Request): Scope[] => {
    const { address, shared } = originOf(req)
    if (shared) return []
    return [`address:${addressName(address, edge.prefixSecret)}`]
  }
  return {
    scopesOfLogin: (req, name, userId) => {
      // A browser that was logged in before is counted by itself: no stranger can make its owner wait.
      const browser = userId === undefined ? undefined : knownBrowser(edge, req, userId)
      if (browser !== undefined) return [`browser:${blind(browser)}`]
      return [`account:${blind(userId ?? nameKey(name))}`, ...addressScopes(req)]
    },
    scopesOfCode: userId => [`code:${blind(userId)}`],
    take: async scopes => {
      const waitMs = await inTransaction(edge.knex, trx => count(trx, edge, scopes))
      if (waitMs > 0)
        throw new Refused('login_throttled', `wait ${Math.ceil(waitMs / 1000)} s`, { retryAfterMs: waitMs })
    },
    forgive: (trx, scopes) =>
      forgiveAttempts(trx, {
        cleared: scopes.filter(scope => !scope.startsWith('address:')),
        // Else whoever has one account could guess at others for ever.
        lowered: scopes.filter(scope => scope.startsWith('address:')),
      }),
  }
}

/** How long to wait; when not at all, the guess is counted. */
async function count(trx: Trx, edge: Edge, scopes: readonly Scope[]): Promise<number> {
  const now = edge.now()
  const kinds = new Map<string, AttemptKind>(scopes.map(scope => [scope, kindOf(scope)]))
  const rows = (await lockAttempts(trx, scopes, now)).flatMap(row => {
    const kind = kinds.get(row.scope)
    return kind === undefined ? [] : [{ ...row, kind }]
  })
  const waitMs = waitFor(rows, now)
  if (waitMs === 0)
    await saveAttempts(
      trx,
      rows.map(row => ({ scope: row.scope, failures: countedOn(row, now) })),
      now,
    )
  return waitMs
}

const KINDS: readonly AttemptKind[] = ['account', 'address', 'browser', 'code']
const kindOf = (scope: Scope): AttemptKind => KINDS.find(kind => scope.startsWith(`${kind}:`)) ?? 'address'
