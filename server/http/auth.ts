import type { Request } from 'express'
import type { TokenId } from '#protocol/units.ts'
import { type Bearer, findBearer, type Scope } from '#store/tokens.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

/** The token of `authorization: Bearer`, or undefined when there is no such header. */
export function tokenOf(req: Request): string | undefined {
  return /^Bearer ([\w-]{1,200})$/i.exec(req.headers.authorization ?? '')?.[1]
}

/** Who calls with a user's token; throws `Refused` unless the token is good. */
export async function bearerOf(edge: Edge, req: Request): Promise<Bearer> {
  const token = tokenOf(req)
  if (token === undefined) throw new Refused('token_missing')
  return bearerBy(edge, token)
}

async function bearerBy(edge: Edge, token: string): Promise<Bearer> {
  const bearer = await findBearer(edge.knex, token)
  if (bearer === undefined) throw new Refused('token_unknown')
  const expired = bearer.expiresAt !== null && bearer.expiresAt <= edge.now()
  if (expired || bearer.revokedAt !== null) throw new Refused('token_expired')
  if (bearer.isBlocked) throw new Refused('account_blocked')
  return bearer
}

/** The same, and the token must have one of the scopes. `admin` includes every other. */
export async function requireScope(edge: Edge, req: Request, ...scopes: readonly Scope[]): Promise<Bearer> {
  return allow(await bearerOf(edge, req), scopes)
}

/** The same of a token that is not in the header. */
export const bearerWith = async (edge: Edge, token: string, scope: Scope): Promise<Bearer> =>
  allow(await bearerBy(edge, token), [scope])

/** Whether a token has one of the scopes. */
export const hasScope = (bearer: Bearer, ...scopes: readonly Scope[]): boolean =>
  bearer.scopes.some(scope => scope === 'admin' || scopes.includes(scope))

function allow(bearer: Bearer, scopes: readonly Scope[]): Bearer {
  if (!hasScope(bearer, ...scopes))
    throw new Refused('scope_missing', `needs the scope ${scopes.join(' or ')}`)
  return bearer
}

/** The API key that calls; null for an account's own token. */
export const keyIdOf = ({ isKey, tokenId }: Bearer): TokenId | null => (isKey ? tokenId : null)

/** The same as `requireScope`, and an account speaks for itself: what an API key may never do. */
export async function requireAccount(edge: Edge, req: Request, ...scopes: readonly Scope[]): Promise<Bearer> {
  const bearer = await requireScope(edge, req, ...scopes)
  if (bearer.isKey) throw new Refused('scope_missing', 'no API key may do that: use a token of the account')
  return bearer
}
