import pg from 'pg'
import type { CampaignId } from '#protocol/units.ts'

/** What is announced: that there are events or ticks of a campaign, or that a host or an account changed. */
export interface Notice {
  readonly channel: (typeof CHANNELS)[number] | 'missed'
  readonly payload: string
}

/** Says when there may be something new in a campaign, to whoever waits for its events in this process. */
export interface EventHub {
  /**
   * Calls `wake` whenever an event of the campaign was committed, and whenever one may have been missed: after the connection was
   * lost and is there again. What is new is read from the database, with the cursor of the last event seen. Until the function returned is called.
   */
  subscribe(campaignId: CampaignId, wake: () => void): () => void
  /** Calls `hear` for every notice of the process, of whatever campaign, and with `missed` whenever some may have been lost. */
  listen(hear: (notice: Notice) => void): () => void
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

const CHANNELS = ['campaign_events', 'ticks', 'changes'] as const // as in the triggers and store/stream.ts
const RECONNECT_MS_MIN = 100
const RECONNECT_MS_MAX = 10_000

/** The hub of a process: one connection that listens, opened for the first who wants to hear and again whenever it is lost. */
export function openEventHub(options: HubOptions): EventHub {
  const subscribers = new Map<string, Set<() => void>>()
  const listeners = new Set<(notice: Notice) => void>()
  const closing = new AbortController()
  const wake = (campaignId: string): void => {
    for (const wakeOne of subscribers.get(campaignId) ?? []) wakeOne()
  }
  const connection = keepConnection(options, closing.signal, notice => {
    if (notice.channel === 'missed') for (const campaignId of subscribers.keys()) wake(campaignId)
    if (notice.channel === 'campaign_events') wake(notice.payload)
    for (const hear of listeners) hear(notice)
  })

  return {
    subscribe(campaignId, wakeOne) {
      const mine = subscribers.get(campaignId) ?? new Set()
      subscribers.set(campaignId, mine.add(wakeOne))
      connection.open()
      return () => {
        mine.delete(wakeOne)
        if (mine.size === 0) subscribers.delete(campaignId)
      }
    },
    listen(hear) {
      listeners.add(hear)
      connection.open()
      return () => void listeners.delete(hear)
    },
    get subscribers() {
      return [...subscribers.values()].reduce((sum, { size }) => sum + size, 0)
    },
    closing: closing.signal,
    async close() {
      closing.abort()
      await connection.close()
    },
  }
}

interface Connection {
  /** Opens it, unless it is open or about to be. */
  open(): void
  close(): Promise<void>
}

/** A connection that listens and is opened again when it is lost; `hear` is told of every notice. */
function keepConnection(
  { connectionString, warn }: HubOptions,
  closing: AbortSignal,
  hear: (notice: Notice) => void,
): Connection {
  let client: pg.Client | undefined
  let retryMs = RECONNECT_MS_MIN
  let retry: NodeJS.Timeout | undefined

  const lost = (which: pg.Client, reason: string): void => {
    if (client !== which) return
    client = undefined
    which.end().catch(() => undefined) // it is broken: nothing is left to be closed in order
    if (closing.aborted) return
    warn(`events are not heard: ${reason}; again in ${retryMs} ms`)
    retry = setTimeout(connect, retryMs)
    retryMs = Math.min(RECONNECT_MS_MAX, retryMs * 2)
  }
  function connect(): void {
    retry = undefined
    if (closing.aborted) return
    const fresh = new pg.Client({ connectionString, application_name: 'xeenet events', keepAlive: true })
    client = fresh
    fresh.on('notification', ({ channel: name, payload = '' }) => {
      const channel = CHANNELS.find(known => known === name)
      if (channel !== undefined) hear({ channel, payload })
    })
    fresh.on('error', error => lost(fresh, error.message))
    fresh.on('end', () => lost(fresh, 'the connection ended'))
    listenOn(fresh).catch((error: unknown) => lost(fresh, String(error)))
  }
  async function listenOn(fresh: pg.Client): Promise<void> {
    await fresh.connect()
    await fresh.query(CHANNELS.map(channel => `listen ${channel}`).join('; '))
    retryMs = RECONNECT_MS_MIN
    hear({ channel: 'missed', payload: '' })
  }

  return {
    open: () => {
      if (client === undefined && retry === undefined) connect()
    },
    close: async () => {
      clearTimeout(retry)
      const open = client
      client = undefined
      await open?.end()
    },
  }
}
