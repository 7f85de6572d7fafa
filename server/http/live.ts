import { once } from 'node:events'
import type { Request, RequestHandler, Response } from 'express'
import { EventCursor } from '#protocol/events.ts'
import {
  STREAM_BEAT_MS,
  STREAM_BUFFER_BYTES_MAX,
  STREAM_EVENTS_PER_WRITE_MAX,
  STREAM_RESUME_MAX,
} from '#protocol/limits.ts'
import { StreamQuery, type Topics, topicsOf } from '#protocol/stream.ts'
import { toWire } from '#protocol/units.ts'
import { isOfPast, listStream, missingTopics, streamEnd } from '#store/stream.ts'
import { callerOf } from './auth.ts'
import type { Edge } from './edge.ts'
import { type Batch, type Feed, newFeed, withoutWithheld } from './live-feed.ts'
import { beat, isBefore, message, retryAfter, textMaker, textOf } from './live-text.ts'
import { parse, Refused } from './problem.ts'
import { newSeats, STREAMS } from './seats.ts'

// Readers that were cut off together do not come back together.
const RETRY_MS_MIN = 1_000
const RETRY_MS_SPREAD = 2_000
// What is left for a reader that was let go, and for the bytes that it did not take yet.
const LAST_WORDS_MS_MAX = 2_000
// A reader that takes nothing for so long while it is told what it missed has gone.
const DRAIN_MS_MAX = 10_000

/** An open stream. */
interface Reader {
  readonly res: Response
  readonly list: readonly string[]
  readonly topics: Topics
  readonly account: string | undefined
  readonly gone: AbortSignal
  /** What happened since it was last looked up what it missed; none when it is told what happens. */
  missed: Batch[] | undefined
  /** Up to where it was told everything, while the feed is not past that. */
  told: EventCursor | undefined
}

/** GET /stream?topics=: what happens, as Server-Sent Events (protocol/stream.ts says which). */
export function streamEvents(edge: Edge): RequestHandler {
  const seats = newSeats(STREAMS)
  const feed = newFeed(edge)
  const readers = new Set<Reader>()
  const bytesOf = textMaker()
  keepBeating(edge, feed, readers)
  return async (req, res) => {
    if (edge.events.closing.aborted) throw new Refused('unavailable')
    const gone = new AbortController()
    res.on('close', () => gone.abort())
    res.on('close', seats.take(req))
    const { after, ...asked } = await askedBy(edge, req)
    const reader = newReader(res, asked, gone.signal)
    const tell = (batch: Batch): void =>
      send(reader, bytesOf(newTo(reader, batch), reader.list, reader.account))
    const hear = (batch: Batch): void => {
      if (reader.missed === undefined) tell(batch)
      else reader.missed.push(batch)
    }
    const leave = await feed.join({ experiments: asked.topics.experiments, hear })
    readers.add(reader)
    const forget = (): void => {
      readers.delete(reader)
      leave()
    }
    if (gone.signal.aborted) forget()
    else res.on('close', forget)
    await begin(edge, reader, { feed, after })
    const { missed = [] } = reader
    reader.missed = undefined
    missed.forEach(tell)
  }
}

const newReader = (
  res: Response,
  asked: Pick<Reader, 'list' | 'topics' | 'account'>,
  gone: AbortSignal,
): Reader => ({
  ...{ res, ...asked, gone },
  ...{ missed: [], told: undefined },
})

interface Asked extends Pick<Reader, 'list' | 'topics' | 'account'> {
  readonly after: EventCursor | undefined
}

/** What a call asks for; throws `Refused`, also for what there is not: a stream about nothing would stay silent for ever. */
async function askedBy(edge: Edge, req: Request): Promise<Asked> {
  const query = parse(StreamQuery, req.query)
  const header = req.headers['last-event-id']
  const after = header === undefined || header === '' ? query.after : parse(EventCursor, header)
  const topics = topicsOf(query.topics)
  const account = topics.account ? `account:${(await callerOf(edge, req)).userId}` : undefined
  const missing = await missingTopics(edge.knex, topics)
  if (missing.length > 0) throw new Refused('not_found', missing.join(', '))
  return { list: query.topics, topics, after, account }
}

/** The greeting, and what happened after the id that the reader came with. */
async function begin(
  edge: Edge,
  reader: Reader,
  { feed, after }: { feed: Feed; after: EventCursor | undefined },
): Promise<void> {
  const { res } = reader
  res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no', // a proxy that collects answers would keep events back
  })
  if (res.req.method === 'HEAD') return void res.end()
  res.write(retryAfter(RETRY_MS_MIN + RETRY_MS_SPREAD * edge.random()))
  const resumed = after !== undefined && (await isOfPast(edge.knex, after))
  // Who begins reads its pages after the greeting: they show everything up to this end.
  const told = resumed ? after : await streamEnd(edge.knex)
  res.write(greeting(edge, { resumed, told }))
  reader.told = await catchUp(edge, reader, { feed, told })
}

/** Tells what happened after `told`, up to somewhere after `missed` begins; what it gives is where that is. */
async function catchUp(
  edge: Edge,
  reader: Reader,
  { feed, told }: { feed: Feed; told: EventCursor },
): Promise<EventCursor> {
  const { res, topics, gone } = reader
  for (let count = 0; !res.writableEnded && !gone.aborted; ) {
    reader.missed = [] // what was heard so far is among what is read now
    const page = await listStream(edge.knex, {
      ...{ after: told, limit: STREAM_EVENTS_PER_WRITE_MAX, wanted: topics },
    })
    count += page.length
    if (count > STREAM_RESUME_MAX) {
      told = feed.cursor // what came since is heard
      res.write(greeting(edge, { resumed: false, told }))
      break
    }
    told = page.at(-1)?.cursor ?? told
    const rows = await withoutWithheld(edge, page, new Set(topics.experiments))
    await writeSlowly(reader, textOf({ rows, changes: NONE }, topics, undefined))
    // Nobody looks until there is nothing: with readers by the hundred something happens during every look.
    if (page.length < STREAM_EVENTS_PER_WRITE_MAX) break
  }
  return told
}

const NONE: ReadonlySet<string> = new Set()

const greeting = (edge: Edge, { resumed, told }: { resumed: boolean; told: EventCursor }): string =>
  message('hello', { now: toWire(edge.now()), resumed, beatMs: beatMsOf(edge) }, told)

const beatMsOf = ({ settings }: Edge): number => settings.streamBeatMs ?? STREAM_BEAT_MS

/** A batch without what the reader was told when it caught up. */
function newTo(reader: Reader, batch: Batch): Batch {
  const { told } = reader
  if (told === undefined) return batch
  const rows = batch.rows.filter(row => isBefore(told, row.cursor))
  if (rows.length > 0) reader.told = undefined // the feed is past it
  return { ...batch, rows }
}

/** Hands a reader what it is told, if it takes it: what would wait for it is bounded. */
function send(reader: Reader, bytes: Buffer | string): void {
  if (bytes.length === 0 || reader.res.writableEnded) return
  reader.res.write(bytes)
  if (reader.res.writableLength > STREAM_BUFFER_BYTES_MAX) letGo(reader, 'slow')
}

/** The same at the speed of the reader; one that takes nothing for long is let go. */
async function writeSlowly({ res, gone }: Reader, text: string): Promise<void> {
  if (text === '' || res.writableEnded || res.write(text)) return
  const over = AbortSignal.any([gone, AbortSignal.timeout(DRAIN_MS_MAX)])
  await once(res, 'drain', { signal: over }).catch(() => res.destroy())
}

/** Ends a stream; its reader comes back with the id of the last event it read. */
function letGo({ res }: Reader, reason: 'stopping' | 'slow'): void {
  if (res.writableEnded) return
  res.end(message('bye', { reason }))
  setTimeout(() => res.destroy(), LAST_WORDS_MS_MAX).unref()
}

function keepBeating(edge: Edge, feed: Feed, readers: ReadonlySet<Reader>): void {
  const beats = setInterval(() => {
    for (const reader of readers)
      if (reader.missed === undefined) send(reader, beat(edge.now(), reader.told ?? feed.cursor))
  }, beatMsOf(edge))
  beats.unref()
  const stop = (): void => {
    clearInterval(beats)
    for (const reader of readers) letGo(reader, 'stopping')
  }
  edge.events.closing.addEventListener('abort', stop, { once: true })
}
