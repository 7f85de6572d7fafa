import { z } from 'zod'
import { EventCursor, EventKind } from './events.ts'
import { TOPICS_PER_STREAM_MAX } from './limits.ts'
import { CampaignId, ExperimentId, HostId, WireInstant, WorkUnitId } from './units.ts'

/**
 * GET /api/v1/stream?topics=: Server-Sent Events. Every message of a campaign has an id, which is its place in the order of all events
 * of the server: a reader that comes back with the last one, to whatever process and with whatever topics, misses nothing and is told nothing
 * twice. Topics of hosts and accounts say only that something changed; they are read again after every greeting.
 */
export type Topic = 'home' | 'account' | `campaign:${string}` | `experiment:${string}` | `host:${string}`

/** The topics of a stream, apart from one another. */
export interface Topics {
  readonly home: boolean
  readonly account: boolean
  readonly campaigns: readonly CampaignId[]
  readonly experiments: readonly ExperimentId[]
  readonly hosts: readonly HostId[]
}

const TOPIC = /^(home|account|(campaign:c|experiment:e|host:h)_[0-9a-z]{26})$/
const OneTopic = z.string().regex(TOPIC, 'expected home, account, campaign:ID, experiment:ID or host:ID')

/** `home,campaign:c_…`: between one topic and TOPICS_PER_STREAM_MAX. */
const TopicList = z
  .string()
  .transform(text => [...new Set(text.split(','))].sort())
  .pipe(z.array(OneTopic).min(1).max(TOPICS_PER_STREAM_MAX))

export const StreamQuery = z.strictObject({
  topics: TopicList,
  /** As the header Last-Event-ID, which goes first: a browser cannot set it when it asks for other topics. */
  after: EventCursor.optional(),
})

export function topicsOf(list: readonly string[]): Topics {
  const ids = (kind: string) =>
    list.flatMap(topic => (topic.startsWith(`${kind}:`) ? [topic.slice(kind.length + 1)] : []))
  return {
    home: list.includes('home'),
    account: list.includes('account'),
    campaigns: ids('campaign').map(id => CampaignId.parse(id)),
    experiments: ids('experiment').map(id => ExperimentId.parse(id)),
    hosts: ids('host').map(id => HostId.parse(id)),
  }
}

/** `event: hello`, first on every connection. */
export const StreamHello = z.object({
  now: WireInstant,
  /** Everything after the id that the reader came with follows. Otherwise it reads its pages again. */
  resumed: z.boolean(),
  beatMs: z.int(),
})
export type StreamHello = z.infer<typeof StreamHello>

/** `event: beat`: nothing happened, and the stream lives. */
export const StreamBeat = z.object({ now: WireInstant })
export type StreamBeat = z.infer<typeof StreamBeat>

/** `event: campaign`, of `home` and `campaign:…`. */
export const StreamEvent = z.object({
  campaignId: CampaignId,
  at: WireInstant,
  kind: EventKind,
  workUnitId: WorkUnitId.nullable(),
  experimentId: ExperimentId.nullable(),
  detail: z.string(),
})
export type StreamEvent = z.infer<typeof StreamEvent>

/** `event: ticks`, of `home` and `campaign:…`, gives an array of these: runs that became public together. It says no more of them than how many: what each shows is read from its page. */
export const StreamTick = z.object({
  campaignId: CampaignId,
  at: WireInstant,
  /** None: runs that were public before were verified, and may be ranked now. */
  runs: z.int().min(0),
  /** How many of them have no metric: they diverged, trapped or could not be run. */
  failed: z.int().min(0),
  /** The most replicas that agreed on one of them. */
  agreed: z.int().min(0),
})
export type StreamTick = z.infer<typeof StreamTick>

/** `event: changed`, of `experiment:…`, `host:…` and `account`: read it again. */
export const StreamChanged = z.object({ topic: z.string() })
export type StreamChanged = z.infer<typeof StreamChanged>

/** `event: bye`: the server stops, or the reader is too slow. It comes back with the id of this. */
export const StreamBye = z.object({ reason: z.enum(['stopping', 'slow']) })
export type StreamBye = z.infer<typeof StreamBye>
