import { EventCursor } from '#protocol/events.ts'
import { STREAM_EVENTS_PER_WRITE_MAX } from '#protocol/limits.ts'
import type { CampaignId, ExperimentId } from '#protocol/units.ts'
import { findCampaign } from '#store/campaigns.ts'
import { isUnavailable } from '#store/errors.ts'
import { listStream, type StreamRow, streamEnd } from '#store/stream.ts'
import { withheldOf } from '#store/withheld.ts'
import { type Bell, newBell } from './bell.ts'
import type { Edge } from './edge.ts'

/** What happened since the last batch: rows in their order, and topics of which only that is known. */
export interface Batch {
  readonly rows: readonly StreamRow[]
  readonly changes: ReadonlySet<string>
}

export interface Listener {
  /** Ticks of these are looked at for what is withheld. */
  readonly experiments: readonly ExperimentId[]
  hear(batch: Batch): void
}

/** What happens, read from the database once for all streams of a process. */
export interface Feed {
  /** Every row after `cursor`, as it is then, is heard from now on, until the function that it gives is called. */
  join(listener: Listener): Promise<() => void>
  /** Where it has read to. */
  readonly cursor: EventCursor
}

// Batches are no closer than this: what happens in between is one write for each reader. A tenth of a second is still `now`.
const BATCH_MS_MIN = 100
// Without a notice: one may have got lost, or an older transaction hides what was announced (decision 0018).
const LOOK_MS_MIN = 100
const LOOK_MS_MAX = 2_000

export function newFeed(edge: Edge): Feed {
  const { events, log } = edge
  const bell = newBell(events.closing)
  const tail: Tail = { listeners: new Set(), cursor: EventCursor.parse('0-0'), changes: new Set() }
  let running: Promise<void> | undefined
  async function start(): Promise<void> {
    const stopListening = events.listen(({ channel, payload }) => {
      if (channel === 'changes') tail.changes.add(payload)
      bell.ring()
    })
    const end = (): void => {
      stopListening()
      running = undefined
    }
    try {
      tail.cursor = await streamEnd(edge.knex)
    } catch (error) {
      end()
      throw error
    }
    // It ends in the same turn in which it sees that nobody listens: who joins later starts another one.
    read(edge, tail, bell, end).catch((error: unknown) => {
      end()
      log.error({ err: error }, 'the feed of the streams ended')
    })
  }
  return {
    async join(listener) {
      tail.listeners.add(listener)
      const leave = (): void => {
        tail.listeners.delete(listener)
        if (tail.listeners.size === 0) bell.ring()
      }
      running ??= start()
      await running.catch((error: unknown) => {
        leave()
        throw error
      })
      return leave
    },
    get cursor() {
      return tail.cursor
    },
  }
}

interface Tail {
  readonly listeners: Set<Listener>
  cursor: EventCursor
  changes: Set<string>
}

/** Reads and tells as long as anybody listens. */
async function read(edge: Edge, tail: Tail, bell: Bell, end: () => void): Promise<void> {
  let lookMs = LOOK_MS_MAX
  while (tail.listeners.size > 0 && !edge.events.closing.aborted) {
    const rang = await bell.wait(lookMs)
    if (rang) await new Promise(resolve => setTimeout(resolve, BATCH_MS_MIN))
    while (await tellSome(edge, tail));
    lookMs = rang ? LOOK_MS_MIN : Math.min(LOOK_MS_MAX, lookMs * 2)
  }
  end()
}

/** Tells what is new, up to a limit; whether there is probably more. */
async function tellSome(edge: Edge, tail: Tail): Promise<boolean> {
  const found = await readSome(edge, tail)
  if (found === undefined) return false // nothing was passed over: the next look begins where this one did
  const batch = { rows: found.rows, changes: tail.changes }
  tail.changes = new Set()
  tail.cursor = found.page.at(-1)?.cursor ?? tail.cursor
  if (batch.rows.length > 0 || batch.changes.size > 0)
    for (const listener of tail.listeners) listener.hear(batch)
  return found.page.length === STREAM_EVENTS_PER_WRITE_MAX
}

/** The rows after a cursor, and what may be told of them. */
async function readSome(
  edge: Edge,
  { cursor: after, listeners }: Tail,
): Promise<{ page: readonly StreamRow[]; rows: readonly StreamRow[] } | undefined> {
  try {
    const page = await listStream(edge.knex, { after, limit: STREAM_EVENTS_PER_WRITE_MAX })
    const wanted = new Set([...listeners].flatMap(listener => listener.experiments))
    return { page, rows: await withoutWithheld(edge, page, wanted) }
  } catch (error) {
    if (!isUnavailable(error)) edge.log.error({ err: error }, 'what the streams tell could not be read')
    return undefined
  }
}

/**
 * The rows, without what would say that one of these experiments published something that nobody may see yet: what would be
 * among the first of its campaign and waits for the verifier. When that is over there is another tick.
 */
export async function withoutWithheld(
  { knex, trust }: Pick<Edge, 'knex' | 'trust'>,
  rows: readonly StreamRow[],
  experiments: ReadonlySet<ExperimentId>,
): Promise<StreamRow[]> {
  const withheld = new Map<CampaignId, Promise<ReadonlySet<ExperimentId>>>()
  const withheldIn = async (id: CampaignId): Promise<ReadonlySet<ExperimentId>> => {
    const campaign = await findCampaign(knex, id)
    return new Set(campaign === undefined ? [] : await withheldOf(knex, campaign, trust.rules))
  }
  const shown: StreamRow[] = []
  for (const row of rows) {
    if (row.type === 'event' || !row.experiments.some(id => experiments.has(id))) {
      shown.push(row)
      continue
    }
    const known = withheld.get(row.campaignId) ?? withheldIn(row.campaignId)
    withheld.set(row.campaignId, known)
    const hidden = await known
    shown.push({ ...row, experiments: row.experiments.filter(id => !hidden.has(id)) })
  }
  return shown
}
