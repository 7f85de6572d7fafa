import type { EventCursor } from '#protocol/events.ts'
import {
  type StreamBeat,
  type StreamBye,
  type StreamChanged,
  type StreamEvent,
  type StreamHello,
  type StreamTick,
  type Topics,
  topicsOf,
} from '#protocol/stream.ts'
import { type Instant, toWire } from '#protocol/units.ts'
import type { StreamRow } from '#store/stream.ts'
import type { Batch } from './live-feed.ts'

/** The messages of a stream by their names. */
interface Messages {
  readonly hello: StreamHello
  readonly beat: StreamBeat
  readonly bye: StreamBye
  readonly campaign: StreamEvent
  readonly ticks: readonly StreamTick[]
  readonly changed: StreamChanged
}

/** One message as it goes over the wire. JSON has no line breaks, so its data is one line. */
export function message<Name extends keyof Messages>(
  name: Name,
  data: Messages[Name],
  id?: EventCursor,
): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}

/** How long a browser waits before it comes back; spread by the caller. */
export const retryAfter = (ms: number): string => `retry: ${Math.round(ms)}\n\n`

/** What a reader of these topics is told of a batch; `account` is the topic of whose account it is. */
export function textOf({ rows, changes }: Batch, topics: Topics, account: string | undefined): string {
  const text: string[] = []
  let ticks: StreamRow[] = []
  const flush = (): void => {
    const last = ticks.at(-1)
    if (last !== undefined) text.push(message('ticks', merged(ticks), last.cursor))
    ticks = []
  }
  for (const row of rows) {
    const whole = wantsAll(row, topics)
    const named = experimentsIn(row, topics)
    // The last message of a row carries its id: who loses the connection before it hears of the row again.
    named.forEach((topic, i) => {
      flush()
      text.push(message('changed', { topic }, whole || i < named.length - 1 ? undefined : row.cursor))
    })
    if (!whole) continue
    if (row.type === 'tick') ticks.push(row)
    else {
      flush()
      text.push(message('campaign', eventOf(row), row.cursor))
    }
  }
  flush()
  for (const topic of topics.hosts.map(id => `host:${id}`)) {
    if (changes.has(topic)) text.push(message('changed', { topic }))
  }
  if (account !== undefined && changes.has(account)) text.push(message('changed', { topic: 'account' }))
  return text.join('')
}

/** The same for many readers of one batch: who follows the same gets the same bytes. */
export function textMaker(): (batch: Batch, list: readonly string[], account: string | undefined) => Buffer {
  let of: Batch | undefined
  let known = new Map<string, Buffer>()
  return (batch, list, account) => {
    if (of !== batch) known = new Map()
    of = batch
    const key = `${list.join()} ${account}`
    const made = known.get(key) ?? Buffer.from(textOf(batch, topicsOf(list), account))
    known.set(key, made)
    return made
  }
}

const wantsAll = (row: StreamRow, { home, campaigns }: Topics): boolean =>
  (home && row.listed) || campaigns.includes(row.campaignId)

function experimentsIn(row: StreamRow, { experiments }: Topics): string[] {
  const named = row.type === 'tick' ? row.experiments : row.experimentId === null ? [] : [row.experimentId]
  return experiments.filter(id => named.includes(id)).map(id => `experiment:${id}`)
}

const eventOf = (row: StreamRow & { type: 'event' }): StreamEvent => {
  const { campaignId, at, kind, workUnitId, experimentId, detail } = row
  return { campaignId, at: toWire(at), kind, workUnitId, experimentId, detail }
}

/** Ticks that follow one another, added up by campaign. */
function merged(rows: readonly StreamRow[]): StreamTick[] {
  const byCampaign = new Map<string, StreamTick>()
  for (const row of rows) {
    if (row.type !== 'tick') continue
    const { campaignId, runs, failed, agreed } = row
    const so = byCampaign.get(campaignId) ?? { campaignId, at: '', runs: 0, failed: 0, agreed: 0 }
    byCampaign.set(campaignId, {
      ...{ campaignId, at: toWire(row.at), runs: so.runs + runs, failed: so.failed + failed },
      agreed: Math.max(so.agreed, agreed),
    })
  }
  return [...byCampaign.values()]
}

/** Whether one cursor stands before another. */
export function isBefore(a: EventCursor, b: EventCursor): boolean {
  const [xidA = '', idA = ''] = a.split('-')
  const [xidB = '', idB = ''] = b.split('-')
  return xidA === xidB ? BigInt(idA) < BigInt(idB) : BigInt(xidA) < BigInt(xidB)
}

export const beat = (now: Instant, at: EventCursor): string => message('beat', { now: toWire(now) }, at)
