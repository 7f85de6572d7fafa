import type { ComponentChildren } from 'preact'
import type { Resource } from '../data.ts'
import { ago } from '../format.ts'
import { clock, stream } from '../live.ts'

type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'dim'

// A word, a shape and a colour: never the colour alone.
const STATES: Readonly<Record<string, readonly [Tone, string]>> = {
  running: ['info', 'M3 2v10l8-5z'],
  active: ['ok', 'M2 7l3 4 7-8'],
  working: ['info', 'M3 2v10l8-5z'],
  released: ['ok', 'M2 7l3 4 7-8'],
  finished: ['ok', 'M2 7l3 4 7-8'],
  valid: ['ok', 'M2 7l3 4 7-8'],
  promoted: ['ok', 'M2 7l3 4 7-8'],
  in_progress: ['info', 'M3 2v10l8-5z'],
  pending: ['warn', 'M7 2v5l3 3M7 1a6 6 0 1 0 .01 0'],
  error: ['bad', 'M2 2l10 10M12 2L2 12'],
  paused: ['warn', 'M4 2v10M10 2v10'],
  waiting: ['warn', 'M7 2v5l3 3M7 1a6 6 0 1 0 .01 0'],
  open: ['dim', 'M7 1a6 6 0 1 0 .01 0'],
  provisional: ['warn', 'M7 2v5l3 3M7 1a6 6 0 1 0 .01 0'],
  undecided: ['warn', 'M3 7h8'],
  cancelled: ['dim', 'M2 12L12 2'],
  rejected: ['dim', 'M2 12L12 2'],
  invalid: ['bad', 'M2 2l10 10M12 2L2 12'],
  failed: ['bad', 'M2 2l10 10M12 2L2 12'],
  quarantined: ['bad', 'M2 2l10 10M12 2L2 12'],
}

/** What state something is in: shape, word and colour. */
export function State({ of }: { of: string }) {
  const [tone, path] = STATES[of] ?? ['dim', 'M3 7h8']
  return (
    <span class={`state ${tone}`}>
      <svg viewBox="0 0 14 14" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true">
        <path d={path} />
      </svg>
      {of.replaceAll('_', ' ')}
    </span>
  )
}

/** Numbers with their names, and below them how they came to be, where that is known. */
export function Figures({
  of,
}: {
  of: readonly (readonly [string, ComponentChildren, ComponentChildren?])[]
}) {
  return (
    <dl class="figures">
      {of.map(([name, value, line]) => (
        <div key={name}>
          <dt>
            {name}
            {line}
          </dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

interface ShownProps<T> {
  readonly from: Resource<T>
  readonly what: string
  readonly children: (value: T) => ComponentChildren
}

/** What was loaded, or in its place what is happening; above it how old it is when it could not be refreshed. */
export function Shown<T>({ from, what, children }: ShownProps<T>) {
  const now = from.now.value
  if (now.state === 'loading')
    return (
      <p class="dim" role="status">
        Loading {what} …
      </p>
    )
  if (now.state === 'failed')
    return (
      <div class="notice bad" role="alert">
        Could not load {what}. {now.why}{' '}
        <button type="button" onClick={from.refresh}>
          Try again
        </button>
      </div>
    )
  return (
    <>
      <Stale from={from} />
      {children(now.value)}
    </>
  )
}

/** What something is as of, once that is older than twice what it should be, and why; undefined: it is as it should be. */
export function staleOf<T>({
  now,
  everyMs,
}: Resource<T>): { since: string; why: string | undefined } | undefined {
  const known = now.value
  if (known.state !== 'ready') return undefined
  const { at, stale: why } = known
  // While the stream lives, what it did not mention is as it was.
  const asOf = why === undefined && stream.value.isOpen ? Math.max(at, stream.value.aliveAt) : at
  const isStale = everyMs === 0 ? why !== undefined : clock.value - asOf > 2 * everyMs
  return isStale ? { since: ago(new Date(asOf).toISOString(), clock.value), why } : undefined
}

function Stale<T>({ from }: { from: Resource<T> }) {
  const stale = staleOf(from)
  if (stale === undefined) return null
  return (
    <div class="stale" role="status">
      As of {stale.since}
      {stale.why !== undefined && `: ${stale.why}`}
    </div>
  )
}

/** When something was, in words; the instant itself on demand. */
export const When = ({ at }: { at: string }) => (
  <time class="dim nowrap" dateTime={at} title={at}>
    {ago(at, clock.value)}
  </time>
)

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="dim">{children}</p>

interface ScrollProps {
  readonly label: string
  readonly children: ComponentChildren
  /** What is far longer than the page as well: told how far it was scrolled, in pixels. */
  readonly onTop?: (px: number) => void
}

/** What may be wider than the page: it scrolls by itself, also by keyboard. */
export const Scroll = ({ label, children, onTop }: ScrollProps) => (
  <section
    class={onTop === undefined ? 'scroll' : 'scroll window'}
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it a keyboard could not scroll
    tabIndex={0}
    aria-label={label}
    onScroll={event => onTop?.(event.currentTarget.scrollTop)}
  >
    {children}
  </section>
)
