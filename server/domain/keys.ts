import { KeyScope } from '#protocol/keys.ts'
import type { MilliCredit, TokenId } from '#protocol/units.ts'

/**
 * The scopes that the holder of an account's own token, or a person who is logged in, may give to a key: never more than they have. Who
 * holds enrolment tokens only gives none: these lie on many machines.
 */
export function grantableScopes(held: readonly string[], isLoggedIn = false): readonly KeyScope[] {
  const has = (scope: string): boolean => held.includes('admin') || held.includes(scope)
  if (!isLoggedIn && !has('campaign') && !has('kernel')) return []
  return KeyScope.options.filter(
    scope => scope === 'read' || has(scope) || (scope === 'propose' && has('campaign')),
  )
}

/** One reserve of a campaign, and the key that asked for it; null: the account itself. */
export interface Charge {
  readonly tokenId: TokenId | null
  readonly amountMilli: MilliCredit
}

/**
 * What of a refund goes back to the budgets of which keys. What was set aside last comes back first; nothing is ever set aside
 * after the first refund of a campaign. `charges` are oldest first; `refundedMilli` came back before.
 */
export function returnedTo(
  charges: readonly Charge[],
  { refundedMilli, amountMilli }: { refundedMilli: MilliCredit; amountMilli: MilliCredit },
): ReadonlyMap<TokenId, MilliCredit> {
  const returned = new Map<TokenId, MilliCredit>()
  let newer = 0 // set aside after the charge at hand
  for (const { tokenId, amountMilli: charged } of charges.toReversed()) {
    const backOf = (totalMilli: MilliCredit): MilliCredit =>
      Math.max(0, Math.min(charged, totalMilli - newer))
    const back = backOf(refundedMilli + amountMilli) - backOf(refundedMilli)
    if (tokenId !== null && back > 0) returned.set(tokenId, (returned.get(tokenId) ?? 0) + back)
    newer += charged
  }
  return returned
}
