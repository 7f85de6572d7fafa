import { join } from 'node:path'
import type { Knex } from 'knex'
import type { Instant } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { findBearer, insertToken, newTokenText, tokenHash } from '#store/tokens.ts'
import { findUserByName, insertUser } from '#store/users.ts'
import type { Ids } from './ids.ts'
import { keepSecret, secretsDirectory } from './secrets.ts'

/** The operator's own user: trusted hosts belong to it, and it is never paid. */
export const PLATFORM_USER = 'platform'

/**
 * Makes sure of the platform's user and of its token for trusted hosts, kept in a file that only we can read. Returns
 * the file. A database that does not know the token, because it is new, learns it.
 */
export async function ensureVerifyToken(
  knex: Knex,
  { dataDir, ids, now }: { dataDir: string; ids: Ids; now: Instant },
): Promise<string> {
  const file = join(secretsDirectory(dataDir), 'verify.token')
  const token = await keepSecret(file, async () => newTokenText('user'))
  await inTransaction(knex, async trx => {
    await insertUser(trx, { id: ids.user(now), name: PLATFORM_USER, roles: ['operator'], createdAt: now })
    const user = await findUserByName(trx, PLATFORM_USER)
    if (user === undefined || (await findBearer(trx, token)) !== undefined) return
    const facts = { id: ids.token(now), userId: user.id, hash: tokenHash(token), label: 'verify.token' }
    await insertToken(trx, { ...facts, scopes: ['verify'], createdAt: now, expiresAt: null })
  })
  return file
}
