import type { Knex } from 'knex'
import { addMs, type Instant } from '#protocol/units.ts'
import { hasOperator, insertInvitation } from '#store/invitations.ts'
import { newTokenText, tokenHash } from '#store/tokens.ts'
import type { Ids } from './ids.ts'

const CLAIM_MS = 3600_000

/**
 * An invitation for the first operator, as an address that works once and for an hour; undefined when some operator can log in. The
 * code stands behind a #: no log of a server and no Referer has it.
 */
export async function inviteFirstOperator(
  knex: Knex,
  { ids, now, url }: { ids: Ids; now: Instant; url: string },
): Promise<string | undefined> {
  if (await hasOperator(knex)) return undefined
  const code = newTokenText('invitation')
  await insertInvitation(knex, {
    ...{ id: ids.invitation(now), hash: tokenHash(code), madeBy: null, usesLeft: 1, createdAt: now },
    ...{ role: 'operator', label: 'the first operator', expiresAt: addMs(now, CLAIM_MS) },
  })
  return new URL(`/signup#${code}`, url).href
}
