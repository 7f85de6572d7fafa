import { type Signal, signal } from '@preact/signals'
import { useLayoutEffect, useMemo } from 'preact/hooks'
import type { Problem } from '#protocol/problem.ts'

export type Loaded<T> =
  | { readonly state: 'loading' }
  | { readonly state: 'failed'; readonly why: string }
  /** `stale` says why the last attempt to refresh it failed. */
  | { readonly state: 'ready'; readonly value: T; readonly at: number; readonly stale: string | undefined }

// A request that hangs for ever would keep its page from ever asking again, and from saying that it is stale.
const REQUEST_MS = 30_000

/** The server refused, and said why: in words for people, and by a code. */
export class Refusal extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    const { title, detail, hint } = problem
    super(detail === undefined ? `${title}. ${hint}` : `${title}: ${detail}. ${hint}`)
    this.problem = problem
  }
}

/** What the server says at a path of its API. @throws Refusal with its problem when it refuses */
export const get = <T>(path: string): Promise<T> => send<T>('GET', path)

interface Sent {
  /** Text goes as it is, everything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** One call of the API. Throws as `get` does. */
export async function send<T>(method: string, path: string, { body, headers = {} }: Sent = {}): Promise<T> {
  const response = await fetch(`/api/v1${path}`, {
    method,
    signal: AbortSignal.timeout(REQUEST_MS),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  if (!response.ok) throw await refusalOf(response)
  const value: T = await response.json() // our own server's, of the same version as this page
  return value
}

async function refusalOf(response: Response): Promise<Error> {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json'))
    return new Error(`The server answered with status ${response.status}.`)
  const problem: Problem = await response.json()
  return new Refusal(problem)
}

/** Every row of a list that comes page by page, 10,000 and more. */
export async function getAll<T>(
  path: string,
  rowsOf: (page: { nextAfter: string | null } & T) => readonly unknown[],
  limit = 1000,
): Promise<T[]> {
  const pages: T[] = []
  const joint = path.includes('?') ? '&' : '?'
  for (let after = ''; ; ) {
    const page = await get<{ nextAfter: string | null } & T>(`${path}${joint}limit=${limit}${after}`)
    pages.push(page)
    if (page.nextAfter === null || rowsOf(page).length === 0) return pages
    after = `&after=${page.nextAfter}`
  }
}

export interface Resource<T> {
  readonly now: Signal<Loaded<T>>
  /** How often it should be new; 0: it is read once. */
  readonly everyMs: number
  /** How long the last reading took. */
  readonly tookMs: number
  /** Reads it again; while it is being read: once more after that, since what is read may be older than the reason. */
  refresh(): void
  /** Shows a value that somebody knows already. */
  put(value: T): void
}

/**
 * What `load` gives, loaded again every `everyMs` while the page is visible. What was loaded stays visible when a refresh fails,
 * marked as stale. Of what the server tells by itself, see `useLive`.
 */
export function useResource<T>(key: string, load: () => Promise<T>, everyMs = 0): Resource<T> {
  // The key stands for what `load` closes over.
  const resource = useMemo(() => openResource(load, everyMs), [key])
  // Before the page is painted, as in `useCurrent`: a painting takes longer than what it would wait for.
  useLayoutEffect(() => {
    resource.refresh()
    if (everyMs === 0) return
    const timer = setInterval(() => document.hidden || resource.refresh(), everyMs)
    return () => clearInterval(timer)
  }, [resource, everyMs])
  return resource
}

export function openResource<T>(load: () => Promise<T>, everyMs: number): Resource<T> {
  const now = signal<Loaded<T>>({ state: 'loading' })
  let running = false
  let wanted = false
  let tookMs = 0
  const put = (value: T): void => {
    now.value = { state: 'ready', value, at: Date.now(), stale: undefined }
  }
  async function attempt(): Promise<void> {
    const began = Date.now()
    try {
      put(await load())
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const known = now.value
      now.value = known.state === 'ready' ? { ...known, stale: why } : { state: 'failed', why }
    }
    tookMs = Date.now() - began
  }
  async function run(): Promise<void> {
    while (wanted) {
      wanted = false
      await attempt()
    }
    running = false
  }
  return {
    now,
    everyMs,
    get tookMs() {
      return tookMs
    },
    put,
    refresh: () => {
      wanted = true
      if (running) return
      running = true
      void run()
    },
  }
}
