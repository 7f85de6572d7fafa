import pg from 'pg'
import type { CampaignId } from '#protocol/units.ts'

/** Says when there may be something new in a campaign, to whoever waits for its events in this process. */
export interface EventHub {
  /**
   * Calls `wake` whenever an event of the campaign was committed, and whenever one may have been missed: after the connection was
   * lost and is there again. What is new is read from the database, with the cursor of the last event seen. Until the function returned is called.
   */
  subscribe(campaignId: CampaignId, wake: () => void): () => void
  /** How many are subscribed. */
  readonly subscribers: number
  /** Aborted when the server stops: whoever waits answers with what there is. */
  readonly closing: AbortSignal
  close(): Promise<void>
}

interface HubOptions {
  readonly connectionString: string
  readonly warn: (message: string) => void
}

const CHANNEL = 'campaign_events' // as in the trigger
const RECONNECT_MS_MIN = 100
const RECONNECT_MS_MAX = 10_000

/** The hub of a process: one connection that listens, opened for the first subscriber and again whenever it is lost. */
export function openEventHub({ connectionString, warn }: HubOptions): EventHub {
  const subscribers = new Map<string, Set<() => void>>()
  const closing = new AbortController()
  let client: pg.Client | undefined
  let retryMs = RECONNECT_MS_MIN
  let retry: NodeJS.Timeout | undefined

  const wake = (campaignId: string): void => {
    for (const wakeOne of subscribers.get(campaignId) ?? []) wakeOne()
  }
  const lost = (which: pg.Client, reason: string): void => {
    if (client !== which) return
    client = undefined
    which.end().catch(() => undefined) // it is broken: nothing is left to be closed in order
    if (closing.signal.aborted) return
    warn(`events are not heard: ${reason}; again in ${retryMs} ms`)
    retry = setTimeout(connect, retryMs)
    retryMs = Math.min(RECONNECT_MS_MAX, retryMs * 2)
  }
  function connect(): void {
    retry = undefined
    if (closing.signal.aborted) return
    const fresh = new pg.Client({ connectionString, application_name: 'xeenet events', keepAlive: true })
    client = fresh
    fresh.on('notification', ({ payload }) => wake(payload ?? ''))
    fresh.on('error', error => lost(fresh, error.message))
    fresh.on('end', () => lost(fresh, 'the connection ended'))
    listenOn(fresh).catch((error: unknown) => lost(fresh, String(error)))
  }
  async function listenOn(fresh: pg.Client): Promise<void> {
    await fresh.connect()
    await fresh.query(`listen ${CHANNEL}`)
    retryMs = RECONNECT_MS_MIN
    for (const campaignId of subscribers.keys()) wake(campaignId)
  }

  return {
    subscribe(campaignId, wakeOne) {
      const mine = subscribers.get(campaignId) ?? new Set()
      subscribers.set(campaignId, mine.add(wakeOne))
      if (client === undefined && retry === undefined) connect()
      return () => {
        mine.delete(wakeOne)
        if (mine.size === 0) subscribers.delete(campaignId)
      }
    },
    get subscribers() {
      return [...subscribers.values()].reduce((sum, { size }) => sum + size, 0)
    },
    closing: closing.signal,
    async close() {
      closing.abort()
      clearTimeout(retry)
      const open = client
      client = undefined
      await open?.end()
    },
  }
}
