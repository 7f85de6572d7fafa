import { signal } from '@preact/signals'
import { useLayoutEffect, useMemo } from 'preact/hooks'
import { STREAM_AFTER } from '#protocol/first.ts'
import { TOPICS_PER_STREAM_MAX } from '#protocol/limits.ts'
import type { StreamChanged, StreamEvent, StreamHello, StreamTick, Topic } from '#protocol/stream.ts'
import { openResource, type Resource } from './data.ts'

/** What the server tells of the topics of a page, with its place in the order of everything. */
export type News = { readonly id: string } & (
  | { readonly kind: 'campaign'; readonly event: StreamEvent }
  | { readonly kind: 'ticks'; readonly ticks: readonly StreamTick[] }
  | { readonly kind: 'changed'; readonly topic: string }
)

interface Follower {
  readonly topics: readonly Topic[]
  tell(news: News): void
  /** News may have been missed: what is shown has to be read again. */
  again(): void
}

// Pages come and go together; the stream is opened for all of them.
const SETTLE_MS = 50
// The browser comes back by itself from a lost connection, but not from a refusal: too many tabs, a server that starts.
const REFUSED_MS = 20_000
const BEAT_MS_DEFAULT = 15_000

const followers = new Set<Follower>()
let source: EventSource | undefined
let followed = ''
let lastId = documentEnd()
let beatMs = BEAT_MS_DEFAULT
let settling: ReturnType<typeof setTimeout> | undefined

// What is read on this page is newer than its document, which says where its stream may begin: nothing is missed, and nothing read twice.
function documentEnd(): string {
  if (typeof document === 'undefined') return ''
  return document.querySelector<HTMLMetaElement>(`meta[name=${STREAM_AFTER}]`)?.content ?? ''
}

/** Whether news come by themselves, and when the stream last said so. */
export const stream = signal<{ readonly isOpen: boolean; readonly aliveAt: number }>({
  isOpen: false,
  aliveAt: 0,
})

/** Ticks every few seconds while the page is visible: ages are shown by it. */
export const clock = signal(Date.now())
const CLOCK_MS = 5_000

// One stream for all hooks of the tab; none while nobody looks. A page of a test without a window has neither.
if (typeof document !== 'undefined') {
  document.addEventListener('visibilitychange', settle)
  setInterval(() => {
    if (document.hidden) return
    clock.value = Date.now()
    // A connection may be dead without anybody being told: a machine that slept, a network that was changed.
    if (stream.value.isOpen && Date.now() - stream.value.aliveAt > 2 * beatMs) reopen()
  }, CLOCK_MS)
}

/** Hears what is told of the topics until the function returned is called. */
export function follow(follower: Follower): () => void {
  followers.add(follower)
  settle()
  return () => {
    followers.delete(follower)
    settle()
  }
}

function settle(): void {
  if (settling !== undefined) return
  settling = setTimeout(() => {
    settling = undefined
    const topics = [...new Set([...followers].flatMap(one => one.topics))]
      .sort()
      .slice(0, TOPICS_PER_STREAM_MAX) // what is beyond is asked for every now and then, as without a stream
    const wanted = document.hidden ? '' : topics.join()
    if (wanted === followed && (wanted === '' || source !== undefined)) return
    followed = wanted
    reopen()
  }, SETTLE_MS)
}

function reopen(): void {
  source?.close()
  source = undefined
  stream.value = { ...stream.value, isOpen: false }
  if (followed === '') return
  const after = lastId === '' ? '' : `&after=${lastId}`
  const opened = new EventSource(`/api/v1/stream?topics=${followed}${after}`)
  source = opened
  opened.addEventListener('error', () => {
    stream.value = { ...stream.value, isOpen: false }
    if (opened.readyState !== EventSource.CLOSED || source !== opened) return
    source = undefined
    setTimeout(settle, REFUSED_MS)
  })
  hear<StreamHello>(opened, 'hello', greet)
  hear(opened, 'beat', () => undefined)
  hear<StreamEvent>(opened, 'campaign', (event, id) => tell({ kind: 'campaign', event, id }))
  hear<StreamTick[]>(opened, 'ticks', (ticks, id) => tell({ kind: 'ticks', ticks, id }))
  hear<StreamChanged>(opened, 'changed', ({ topic }, id) => tell({ kind: 'changed', topic, id }))
}

function hear<T>(from: EventSource, name: string, what: (data: T, id: string) => void): void {
  from.addEventListener(name, message => {
    if (source !== from) return
    if (message.lastEventId !== '') lastId = message.lastEventId
    stream.value = { isOpen: true, aliveAt: Date.now() }
    what(JSON.parse(message.data), lastId) // our own server's, of the same version as this page
  })
}

// Of hosts and accounts the server keeps no history: their pages are read again after every greeting.
function greet(hello: StreamHello): void {
  beatMs = hello.beatMs
  for (const one of followers)
    if (!hello.resumed || one.topics.some(topic => topic === 'account' || topic.startsWith('host:')))
      one.again()
}

function tell(news: News): void {
  for (const one of followers) {
    const heard = heardBy(one.topics, news)
    if (heard !== undefined) one.tell(heard)
  }
}

/** What of some news belongs to these topics. */
export function heardBy(topics: readonly Topic[], news: News): News | undefined {
  const follows = (id: string) => topics.includes('home') || topics.includes(`campaign:${id}`)
  if (news.kind === 'changed') return topics.some(topic => topic === news.topic) ? news : undefined
  if (news.kind === 'campaign') return follows(news.event.campaignId) ? news : undefined
  const ticks = news.ticks.filter(tick => follows(tick.campaignId))
  return ticks.length === 0 ? undefined : { ...news, ticks }
}

interface LiveOptions<T> {
  readonly topics: readonly Topic[]
  /** How often it is asked for where no stream is open. What is older than twice that is marked as stale. */
  readonly everyMs?: number
  /** What is shown after some news; undefined: it has to be read again. Without it, it always is. */
  readonly patch?: (value: T, news: News) => T | undefined
}

const EVERY_MS_DEFAULT = 10_000
// With a stream: for what is not told, such as leases and progress.
const EVERY_MS_STREAM = 30_000
// A storm of news is one reading a second, and no more than a fifth of the time when reading takes long.
const GAP_MS_MIN = 1_000
const GAP_SHARE = 5

/**
 * What `load` gives, kept as it is on the server: patched or read again when something is told of `topics`, asked for every now
 * and then where no stream is open, and not at all while nobody looks. The key stands for what `load` closes over.
 */
export function useLive<T>(key: string, load: () => Promise<T>, options: LiveOptions<T>): Resource<T> {
  const resource = useMemo(() => openResource(load, options.everyMs ?? EVERY_MS_DEFAULT), [key])
  useCurrent(resource, options)
  return resource
}

/** The same of a resource that is there for more than one page. */
export function useCurrent<T>(resource: Resource<T>, { topics, patch }: LiveOptions<T>): void {
  const { everyMs } = resource
  useLayoutEffect(() => keepCurrent(resource, { topics, everyMs, patch }), [resource, topics.join(), everyMs])
}

function keepCurrent<T>(
  resource: Resource<T>,
  {
    topics,
    everyMs,
    patch,
  }: Required<Pick<LiveOptions<T>, 'topics' | 'everyMs'>> & {
    patch: LiveOptions<T>['patch']
  },
): () => void {
  let due: ReturnType<typeof setTimeout> | undefined
  let readAt = 0
  const read = (): void => {
    clearTimeout(due)
    due = undefined
    readAt = Date.now()
    resource.refresh()
  }
  const soon = (): void => {
    const gap = Math.max(GAP_MS_MIN, GAP_SHARE * resource.tookMs)
    due ??= setTimeout(read, Math.max(0, readAt + gap - Date.now()))
  }
  const leave = follow({
    topics,
    again: soon,
    tell: news => {
      const { value: now } = resource.now
      const next = now.state === 'ready' ? patch?.(now.value, news) : undefined
      if (next === undefined) soon()
      else resource.put(next)
    },
  })
  const poll = setInterval(() => {
    const every = stream.value.isOpen ? Math.max(everyMs, EVERY_MS_STREAM) : everyMs
    if (!document.hidden && Date.now() - readAt >= every) read()
  }, GAP_MS_MIN)
  read()
  return () => {
    leave()
    clearTimeout(due)
    clearInterval(poll)
  }
}
