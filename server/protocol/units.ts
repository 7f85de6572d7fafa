import { z } from 'zod'

/**
 * Branded ids and units. An id is `kind_` and 26 characters of Crockford base 32: 10 of time, 16 random, so that
 * ids sort by age. One id per object, for life.
 */
const id = <Brand extends string>(prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-z]{26}$`), `expected an id of the form ${prefix}_…`)
    .brand<Brand>()

export const UserId = id<'UserId'>('u')
export type UserId = z.infer<typeof UserId>
export const HostId = id<'HostId'>('h')
export type HostId = z.infer<typeof HostId>
export const CampaignId = id<'CampaignId'>('c')
export type CampaignId = z.infer<typeof CampaignId>
export const ExperimentId = id<'ExperimentId'>('e')
export type ExperimentId = z.infer<typeof ExperimentId>
export const WorkUnitId = id<'WorkUnitId'>('w')
export type WorkUnitId = z.infer<typeof WorkUnitId>
export const ResultId = id<'ResultId'>('r')
export type ResultId = z.infer<typeof ResultId>
export const ActionId = id<'ActionId'>('a')
export type ActionId = z.infer<typeof ActionId>
/** Of what an operator did. */
export const ActId = id<'ActId'>('o')
export type ActId = z.infer<typeof ActId>
export const ProposalId = id<'ProposalId'>('k')
export type ProposalId = z.infer<typeof ProposalId>
export const NoteId = id<'NoteId'>('n')
export type NoteId = z.infer<typeof NoteId>
export const ExportId = id<'ExportId'>('x')
export type ExportId = z.infer<typeof ExportId>
export const TokenId = id<'TokenId'>('t')
export type TokenId = z.infer<typeof TokenId>
export const WebhookId = id<'WebhookId'>('wh')
export type WebhookId = z.infer<typeof WebhookId>
export const DeliveryId = id<'DeliveryId'>('d')
export type DeliveryId = z.infer<typeof DeliveryId>

export const SessionId = id<'SessionId'>('s')
export type SessionId = z.infer<typeof SessionId>
export const InvitationId = id<'InvitationId'>('i')
export type InvitationId = z.infer<typeof InvitationId>

/** SHA-256 of some bytes, lower-case hexadecimal. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')
  .brand<'Sha256'>()
export type Sha256 = z.infer<typeof Sha256>

/** A moment on the server's clock: whole milliseconds since 1970. On the wire moments are ISO 8601 strings. */
export const Instant = z.int().brand<'Instant'>()
export type Instant = z.infer<typeof Instant>

/** ISO 8601 with milliseconds, UTC. */
export const WireInstant = z.iso.datetime({ precision: 3 })

export const instant = (epochMs: number): Instant => Instant.parse(Math.trunc(epochMs))
export const addMs = (at: Instant, ms: number): Instant => instant(at + ms)
export const toWire = (at: Instant): string => new Date(at).toISOString()
export const fromWire = (text: string): Instant => instant(Date.parse(text))

/** Credit is counted in whole milli-credits everywhere but on pages. */
export const MilliCredit = z.int()
export type MilliCredit = z.infer<typeof MilliCredit>

/** name@version of a kernel or a data set, for example `charlm@1`. */
export const Versioned = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}@(0|[1-9][0-9]{0,5})$/, 'expected name@version')

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * The text of a new id. `random` is at least 16 bytes; only the low five bits of each are used.
 */
export function idText(prefix: string, now: Instant, random: Uint8Array): string {
  let time = ''
  for (let rest: number = now, i = 0; i < 10; i++) {
    time = CROCKFORD.charAt(rest % 32) + time
    rest = Math.floor(rest / 32)
  }
  let tail = ''
  for (const byte of random.subarray(0, 16)) tail += CROCKFORD.charAt(byte & 31)
  return `${prefix}_${time}${tail}`
}
