import { z } from 'zod'
import { HOSTS_PER_KEY_MAX, KEYS_PER_ACCOUNT_MAX, NAME_CHARS_MAX } from './limits.ts'
import { line } from './text.ts'
import { MilliCredit, TokenId, WireInstant } from './units.ts'

/**
 * What an API key may do. `read`: see what is its account's; every other scope includes it. `propose`: recipes and notes in campaigns
 * of the account. `campaign`: submit, revise, pause and stop them as well. `kernel`: propose kernels. `enrol`: enrol and claim hosts.
 */
export const KeyScope = z.enum(['read', 'propose', 'campaign', 'kernel', 'enrol'])
export type KeyScope = z.infer<typeof KeyScope>

/** POST /api/v1/keys */
export const KeyBody = z.strictObject({
  label: line(NAME_CHARS_MAX).trim().min(1),
  scopes: z.array(KeyScope).min(1).max(KeyScope.options.length),
  /** What may be set aside with it in all, less what comes back; null: whatever the account has. */
  budgetMilli: MilliCredit.min(0).nullable().default(null),
  expiresAt: z.iso.datetime().nullable().default(null),
  /** How many machines may enrol with it, and then it claims none; null: as many as there are. Needs the scope `enrol`. */
  hostsMax: z.int().min(1).max(HOSTS_PER_KEY_MAX).nullable().default(null),
})
export type KeyBody = z.infer<typeof KeyBody>

/** An API key without its text, which is shown once. */
export const KeyView = z.object({
  keyId: TokenId,
  label: z.string(),
  scopes: z.array(KeyScope),
  budgetMilli: MilliCredit.nullable(),
  /** Set aside with it and not come back. */
  spentMilli: MilliCredit,
  remainingMilli: MilliCredit.nullable(),
  /** Machines that may still enrol with it; null: as many as there are. */
  hostsLeft: z.int().nullable(),
  createdAt: WireInstant,
  expiresAt: WireInstant.nullable(),
  revokedAt: WireInstant.nullable(),
})
export type KeyView = z.infer<typeof KeyView>

/** The reply to its creation: the only time that its text is shown. Null when the call is repeated: revoke a key whose text is lost. */
export const NewKey = KeyView.extend({
  key: z.string().nullable(),
  /** Of a key that only enrols: an address with the key in it, for `xeenet up --link`. */
  link: z.string().nullable(),
})
export type NewKey = z.infer<typeof NewKey>

/** GET /api/v1/keys: newest first, revoked and expired ones included. */
export const KeyList = z.object({ keys: z.array(KeyView).max(KEYS_PER_ACCOUNT_MAX) })
export type KeyList = z.infer<typeof KeyList>
