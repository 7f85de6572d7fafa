import { z } from 'zod'
import { KeyScope } from './keys.ts'
import { NAME_CHARS_MAX } from './limits.ts'
import { line } from './text.ts'
import { UserId, WireInstant } from './units.ts'

const DeviceCode = z.string().regex(/^xd_[\w-]{43}$/)

/** A code as a person writes it: no vowels, which could make words, and nothing that looks like something else. */
const UserCode = z
  .string()
  .max(20)
  .transform(text => text.toUpperCase().replaceAll(/[^A-Z]/g, ''))
  .pipe(z.string().regex(/^[BCDFGHJKLMNPQRSTVWXZ]{8}$/, 'expected eight letters'))

/** POST /api/v1/devices: a program asks for a login (RFC 8628 in spirit). */
export const DeviceBody = z.strictObject({
  machine: line(NAME_CHARS_MAX).trim().min(1),
  scopes: z.array(KeyScope).min(1).max(KeyScope.options.length),
})
export type DeviceBody = z.infer<typeof DeviceBody>

export const DeviceStart = z.object({
  /** For the program: it asks with it. */
  deviceCode: DeviceCode,
  /** For the person, who enters it at `url`. */
  userCode: z.string(),
  url: z.string(),
  expiresInMs: z.int(),
  intervalMs: z.int(),
})
export type DeviceStart = z.infer<typeof DeviceStart>

/** POST /api/v1/devices/token, every `intervalMs`: `device_pending` until somebody decided. */
export const DeviceTokenBody = z.strictObject({ deviceCode: DeviceCode })

/** An API key of the account, with what was asked for as far as the account may; shown this once. */
export const DeviceToken = z.object({
  token: z.string(),
  userId: UserId,
  name: z.string(),
  scopes: z.array(KeyScope),
})
export type DeviceToken = z.infer<typeof DeviceToken>

/** POST /api/v1/devices/look: which machine shows this code. */
export const DeviceLookBody = z.strictObject({ userCode: UserCode })

/** POST /api/v1/devices/decide */
export const DeviceDecideBody = z.strictObject({ userCode: UserCode, approve: z.boolean() })

export const DeviceView = z.object({
  /** A stranger's word. */
  machine: z.string(),
  address: z.string(),
  scopes: z.array(KeyScope),
  askedAt: WireInstant,
  expiresAt: WireInstant,
  state: z.enum(['waiting', 'approved', 'denied']),
})
export type DeviceView = z.infer<typeof DeviceView>
