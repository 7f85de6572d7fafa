import { z } from 'zod'
import { canonicalJson, utf8 } from './canonical.ts'
import { Credit } from './credits.ts'
import { EngineClass } from './engine.ts'
import { CLIENT_CHARS_MAX, CORES_MAX, MEMORY_MIB_MAX, NAME_CHARS_MAX, PROTOCOL_VERSION } from './limits.ts'
import { OwnView } from './people.ts'
import { PublicKeyText } from './signature.ts'
import { line } from './text.ts'
import { HostId, type ResultId, Sha256, UserId, WireInstant } from './units.ts'
import { EnrolWork } from './work.ts'

const name = line(NAME_CHARS_MAX).trim().min(1)

/** POST /api/v1/hosts. With `authorization: Bearer` an enrolment token the host belongs to its user; without, to nobody. */
export const EnrolBody = z.strictObject({
  protocol: z.literal(PROTOCOL_VERSION),
  publicKey: PublicKeyText,
  name: name.optional(),
  client: line(CLIENT_CHARS_MAX),
  engineClasses: z.array(EngineClass).min(1).max(EngineClass.options.length),
  cores: z.int().min(1).max(CORES_MAX),
  memoryMiB: z.int().min(64).max(MEMORY_MIB_MAX),
  /** Needed without a token: a solved challenge of GET /api/v1/hosts/challenge. It enrols one host. */
  work: EnrolWork.optional(),
})
export type EnrolBody = z.infer<typeof EnrolBody>

export const EnrolReply = z.object({
  serverId: z.string(),
  hostId: HostId,
  userId: UserId.nullable(),
  name,
  /** Shown once; the server keeps its hash. */
  token: z.string(),
  /** The operator's keys by which kernels are signed: pin them. */
  kernelKeys: z.array(z.object({ keyId: Sha256, publicKey: PublicKeyText })),
})
export type EnrolReply = z.infer<typeof EnrolReply>

/** Headers of a signed call. */
export const HOST_HEADER = 'xeenet-host'
export const CALL_HEADER = 'xeenet-call'
export const SIGNATURE_HEADER = 'xeenet-signature'
/** Of a call whose signature is that of its reports as well: see `report-signature.ts`. */
export const REPORTS_HEADER = 'xeenet-reports'

interface SignedCall {
  readonly serverId: string
  readonly hostId: HostId
  readonly call: number
  readonly method: 'POST' | 'PUT' | 'GET' | 'DELETE'
  readonly path: string
  readonly bodySha256: Sha256
}

// Names are sorted, so that only what a name is overridden by depends on their order: `type` is last.

/** The bytes under a call's signature: a token that was stolen without the key can do nothing. */
export const callBytes = (call: SignedCall): Uint8Array<ArrayBuffer> =>
  utf8(canonicalJson({ ...call, type: 'xeenet/call/1' }))

/** The same where the call signs its reports: `call` is the hash of its `callBytes`, `reports` the root over its reports. */
export const callWithReportsBytes = (signed: {
  readonly call: Sha256
  readonly reports: Sha256
}): Uint8Array<ArrayBuffer> => utf8(canonicalJson({ ...signed, type: 'xeenet/call/2' }))

/** What a host says of a result. */
export interface Claim {
  readonly serverId: string
  readonly hostId: HostId
  readonly resultId: ResultId
  readonly digest: Sha256
}

/** The bytes under a report's signature: evidence that this host said this of this result. */
export const reportBytes = (claim: Claim): Uint8Array<ArrayBuffer> =>
  utf8(canonicalJson({ ...claim, type: 'xeenet/report/1' }))

/** GET /api/v1/hosts/:id: what anyone may know of a host. Only over counts: who computed what is under embargo. */
export const HostView = z.object({
  id: HostId,
  name,
  /** A quarantine is public when its appeal period ends or its appeal is decided; until then it is `paused`. */
  state: z.enum(['active', 'paused', 'quarantined', 'retired']),
  trusted: z.boolean(),
  client: z.string(),
  engineClasses: z.array(z.string()),
  cores: z.int(),
  createdAt: WireInstant,
  lastSeenAt: WireInstant,
  results: z.object({
    inProgress: z.int(),
    pending: z.int(),
    valid: z.int(),
    invalid: z.int(),
    inconclusive: z.int(),
    error: z.int(),
    noReply: z.int(),
  }),
  grantedMilli: z.int(),
  /** For a signed call of the host itself, or with a token of its user. A balance would lead everybody to the user. */
  own: OwnView.optional(),
  credit: Credit.optional(),
})
export type HostView = z.infer<typeof HostView>
