import type { Knex } from 'knex'
import type { Logger } from 'pino'
import type { TrustRules } from '#domain/trust.ts'
import type { Operate } from '#operate/operate.ts'
import type { SignupPolicy } from '#protocol/accounts.ts'
import type {
  CampaignId,
  DeliveryId,
  ExperimentId,
  ExportId,
  HostId,
  Instant,
  InvitationId,
  NoteId,
  ProposalId,
  SessionId,
  Sha256,
  TokenId,
  UserId,
  WebhookId,
} from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import type { EventHub } from '#store/event-hub.ts'
import type { Wake } from '#store/wake.ts'
import type { Pages } from './pages.ts'
import type { Planner } from './planner.ts'

/** Everything the routes need, handed down from main.ts or from a test. */
export interface Edge {
  readonly knex: Knex
  readonly blobs: Blobs
  readonly wake: Wake
  readonly planner: Planner
  /** What operators do to what others own. */
  readonly operate: Operate
  /** The built web app; undefined when there is none. */
  readonly pages?: Pages | undefined
  /** Says when something happens in a campaign: for calls that wait, and streams. */
  readonly events: EventHub
  readonly log: Logger
  readonly now: () => Instant
  readonly random: () => number // [0, 1); spreads calls and mixes owners, decides nothing that must be unpredictable
  readonly ids: {
    host(now: Instant): HostId
    campaign(now: Instant): CampaignId
    experiment(now: Instant): ExperimentId
    note(now: Instant): NoteId
    proposal(now: Instant): ProposalId
    webhook(now: Instant): WebhookId
    delivery(now: Instant): DeliveryId
    export(now: Instant): ExportId
    token(now: Instant): TokenId
    user(now: Instant): UserId
    session(now: Instant): SessionId
    invitation(now: Instant): InvitationId
  }
  readonly serverId: string
  readonly version: string
  /** The operator's keys by which kernels are signed. */
  readonly kernelKeys: () => Promise<readonly { readonly keyId: Sha256; readonly publicKey: string }[]>
  /** Checks of reports are drawn under `secret`. */
  readonly trust: { readonly rules: TrustRules; readonly secret: string | Uint8Array }
  /** Under which network prefixes are hashed: addresses themselves are not kept. */
  readonly prefixSecret: string
  /** Under which challenges for enrolment are signed: `challengeKey` of the server's secret. */
  readonly challengeKey: string
  /** Aborted when the process was asked to stop. */
  readonly draining: AbortSignal
  readonly settings: EdgeSettings
}

interface EdgeSettings {
  readonly pairMs: number // a replica is kept for its lane so long, once there are proven owners
  readonly starveMs: number // a replica nobody took for so long goes to a trusted host
  readonly retryMinMs: number
  readonly sharedPrefixes: readonly string[] // networks whose anonymous hosts are owners by themselves
  readonly trustedProxies: readonly string[]
  readonly publicUrl?: string | undefined // where people and agents find the server, if not by its address
  readonly anonymousPerMinute: number // calls of one address without a token
  readonly hostPerMinute: number // signed calls of one host
  readonly inFlightMax: number // requests that this process has in hand
  readonly streamBeatMs?: number | undefined // so often a stream says that it lives; STREAM_BEAT_MS unless told
  readonly enrolWork: number // hash iterations that an enrolment without a token takes on average
  readonly perMinute: number // enrolments without a token, by all processes together
  readonly perPrefixDay: number // the same of one network in a day (UTC)
  readonly signup: SignupPolicy
  readonly signupRole: 'volunteer' | 'researcher' // of who signs up without an invitation
}
