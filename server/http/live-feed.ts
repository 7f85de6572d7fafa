import { EventCursor } from '#protocol/events.ts'
import { STREAM_EVENTS_PER_WRITE_MAX } from '#protocol/limits.ts'
import type { CampaignId, ExperimentId } from '#protocol/units.ts'
import { findCampaign } from '#store/campaigns.ts'
import { isUnavailable } from '#store/errors.ts'
import { listStream, type StreamRow, streamEnd } from '#store/stream.ts'
import { withheldOf } from '#store/withheld.ts'
import { newBell } from './bell.ts'
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
  readonly listeners: number
}

// Batches are no closer than this: what happens in between is one write for each reader. A tenth of a second is still `now`.
const BATCH_MS_MIN = 100
// Without a notice: one may have got lost, or an older transaction hides what was announced (decision 0018).
const LOOK_MS_MIN = 100
const LOOK_MS_MAX = 2_000

export function newFeed(edge: Edge): Feed {
  const { knex, log, events } = edge
  const listeners = new Set<Listener>()
  const bell = newBell(events.closing)
  let cursor = EventCursor.parse('0-0')
  let changes = new Set<string>()
  let running: Promise<void> | undefined
  let stopListening = (): void => undefined

  async function start(): Promise<void> {
    stopListening = events.listen(({ channel, payload }) => {
      if (channel === 'changes') changes.add(payload)
      bell.ring()
    })
    try {
      cursor = await streamEnd(knex)
    } catch (error) {
      stopListening()
      running = undefined
      throw error
    }
    read().catch((error: unknown) => log.error({ err: error }, 'the feed of the streams ended'))
  }
  /** As long as anybody listens. */
  async function read(): Promise<void> {
    let lookMs = LOOK_MS_MAX
    while (listeners.size > 0 && !events.closing.aborted) {
      const rang = await bell.wait(lookMs)
      if (rang) await new Promise(resolve => setTimeout(resolve, BATCH_MS_MIN))
      while ((await readBatch()) === STREAM_EVENTS_PER_WRITE_MAX);
      lookMs = rang ? LOOK_MS_MIN : Math.min(LOOK_MS_MAX, lookMs * 2)
    }
    stopListening()
    running = undefined
  }
  async function readBatch(): Promise<number> {
    try {
      const page = await listStream(knex, { after: cursor, limit: STREAM_EVENTS_PER_WRITE_MAX })
      const wanted = new Set([...listeners].flatMap(listener => listener.experiments))
      const rows = await withoutWithheld(edge, page, wanted)
      const batch = { rows, changes }
      changes = new Set()
      cursor = page.at(-1)?.cursor ?? cursor
      if (rows.length > 0 || batch.changes.size > 0) for (const listener of listeners) listener.hear(batch)
      return page.length
    } catch (error) {
      if (!isUnavailable(error)) log.error({ err: error }, 'what the streams tell could not be read')
      return 0 // nothing was passed over: the next look begins where this one did
    }
  }

  return {
    async join(listener) {
      listeners.add(listener)
      const leave = (): void => {
        listeners.delete(listener)
        if (listeners.size === 0) bell.ring()
      }
      running ??= start()
      await running.catch((error: unknown) => {
        leave()
        throw error
      })
      return leave
    },
    get cursor() {
      return cursor
    },
    get listeners() {
      return listeners.size
    },
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
