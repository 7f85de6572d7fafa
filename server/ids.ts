import { randomBytes, randomInt } from 'node:crypto'
import {
  ActId,
  ActionId,
  CampaignId,
  DeliveryId,
  ExperimentId,
  ExportId,
  HostId,
  type Instant,
  InvitationId,
  idText,
  NoteId,
  ProposalId,
  ResultId,
  SessionId,
  TokenId,
  UserId,
  WebhookId,
  WorkUnitId,
} from '#protocol/units.ts'

/** Makes ids. Handed down from main.ts; tests may hand down predictable ones. */
export interface Ids {
  user(now: Instant): UserId
  host(now: Instant): HostId
  campaign(now: Instant): CampaignId
  experiment(now: Instant): ExperimentId
  workUnit(now: Instant): WorkUnitId
  result(now: Instant): ResultId
  token(now: Instant): TokenId
  action(now: Instant): ActionId
  act(now: Instant): ActId
  proposal(now: Instant): ProposalId
  note(now: Instant): NoteId
  webhook(now: Instant): WebhookId
  delivery(now: Instant): DeliveryId
  export(now: Instant): ExportId
  session(now: Instant): SessionId
  invitation(now: Instant): InvitationId
}

/** Ids whose random part comes from `random`, which returns that many bytes. */
export function idsFrom(random: (bytes: number) => Uint8Array): Ids {
  const text = (prefix: string, now: Instant) => idText(prefix, now, random(RANDOM_BYTES))
  return {
    user: now => UserId.parse(text('u', now)),
    host: now => HostId.parse(text('h', now)),
    campaign: now => CampaignId.parse(text('c', now)),
    experiment: now => ExperimentId.parse(text('e', now)),
    workUnit: now => WorkUnitId.parse(text('w', now)),
    result: now => ResultId.parse(text('r', now)),
    token: now => TokenId.parse(text('t', now)),
    action: now => ActionId.parse(text('a', now)),
    act: now => ActId.parse(text('o', now)),
    proposal: now => ProposalId.parse(text('k', now)),
    note: now => NoteId.parse(text('n', now)),
    webhook: now => WebhookId.parse(text('wh', now)),
    delivery: now => DeliveryId.parse(text('d', now)),
    export: now => ExportId.parse(text('x', now)),
    session: now => SessionId.parse(text('s', now)),
    invitation: now => InvitationId.parse(text('i', now)),
  }
}

const RANDOM_BYTES = 16

// A thousand ids' worth at a time: asking the system for each costs ten times what making it does.
const POOL_BYTES = 1_024 * RANDOM_BYTES

// Of each five bits are used.
const COUNTED_BYTES = 4
const DIGITS = 32

/**
 * Random bytes after a count, which goes round after a million: ids of one process and millisecond are in the order in which they were
 * made, so that rows that are made together stand together in indexes as in tables, and go to one host together.
 */
function countedAndRandom(): (bytes: number) => Uint8Array {
  let pool = new Uint8Array()
  let count = randomInt(DIGITS ** COUNTED_BYTES)
  return bytes => {
    if (pool.length < bytes) pool = randomBytes(POOL_BYTES)
    const taken = pool.subarray(0, bytes)
    pool = pool.subarray(bytes)
    count++
    for (let i = 0; i < COUNTED_BYTES; i++)
      taken[i] = Math.floor(count / DIGITS ** (COUNTED_BYTES - 1 - i)) % DIGITS
    return taken
  }
}

export const secureIds: Ids = idsFrom(countedAndRandom())
