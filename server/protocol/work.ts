import { z } from 'zod'
import { Sha256, WireInstant } from './units.ts'

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))

/**
 * GET /api/v1/hosts/challenge: find a counter for which PBKDF2(nonce ‖ counter, salt, cost) begins with `keyPrefix` (ALTCHA's
 * second proof of work; 16^length × cost iterations are expected). The server's signature is over all parameters.
 */
export const EnrolChallenge = z.strictObject({
  parameters: z.strictObject({
    algorithm: z.literal('PBKDF2/SHA-256'),
    nonce: hex(16),
    salt: hex(16),
    cost: z.int().min(1).max(1e9),
    keyLength: z.literal(32),
    keyPrefix: z.string().regex(/^0{1,8}$/),
    data: z.strictObject({ expiresAt: WireInstant }),
  }),
  signature: Sha256,
})
export type EnrolChallenge = z.infer<typeof EnrolChallenge>

/** A challenge with what solves it. */
export const EnrolWork = z.strictObject({
  challenge: EnrolChallenge,
  solution: z.strictObject({ counter: z.int().min(0).max(0xffff_ffff), derivedKey: hex(32) }),
})
export type EnrolWork = z.infer<typeof EnrolWork>
