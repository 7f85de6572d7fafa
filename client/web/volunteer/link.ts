import { type Signal, signal } from '@preact/signals'
import { EMPTY, ENDED, type Snapshot } from '#runtime/snapshot.ts'
import { browserLifecycle } from './lifecycle.ts'
import { CHANNEL, type Command, type FromWorker, LOCK, type Said, type ToWorker } from './messages.ts'
import type { Settings, Signals } from './presets.ts'

/** How a page sees and steers a volunteer, wherever it computes. */
export interface Link {
  /** What it computes; undefined: nothing was started. */
  readonly volunteering: Signal<Snapshot | undefined>
  /** Whether it would end with this page. */
  readonly mine: Signal<boolean>
  /** Cores, and whether this is a phone. */
  machine(): Pick<Signals, 'cores' | 'phone'>
  /** Why it cannot compute here, in a sentence; undefined if it can. */
  obstacle(): string | undefined
  /** Only ever called by a press of the button. */
  start(settings: Settings): void
  command(what: Command): void
}

const volunteering = signal<Snapshot | undefined>(undefined)
const mine = signal(false)
const lifecycle = browserLifecycle()
const channel = new BroadcastChannel(CHANNEL)
let watching = false

channel.addEventListener('message', ({ data }: MessageEvent<Said>) => {
  if (data.type !== 'snapshot') return
  volunteering.value = data.snapshot
  if (data.snapshot.phase !== 'ended') watchForItsEnd()
})
channel.postMessage({ type: 'hello' } satisfies Said)

// The last words of a worker that ends as it should travel on the channel; its lock may be faster.
const LAST_WORDS_MS = 500

/** A tab with the worker may be closed, and a worker be ended by its browser, without a word; the lock is then free. */
function watchForItsEnd(): void {
  if (watching) return
  watching = true
  navigator.locks.request(LOCK, { mode: 'shared' }, () => {
    watching = false
    if (mine.value) setTimeout(closeIt, LAST_WORDS_MS, KILLED)
    else closeIt(null)
  })
}

const KILLED =
  'the browser ended its worker, perhaps for want of memory. Start goes on where the last checkpoint is.'

function closeIt(trouble: string | null): void {
  const { value } = volunteering
  if (value === undefined || value.phase === 'ended') return
  volunteering.value = { ...value, ...ENDED, trouble }
}

function obstacle(): string | undefined {
  if (!isSecureContext) return 'This page came over plain http. Computing needs https (or this very machine).'
  const missing = [
    ...(typeof WebAssembly === 'undefined' ? ['WebAssembly'] : []),
    ...('locks' in navigator ? [] : ['Web Locks']),
    ...('indexedDB' in self ? [] : ['IndexedDB']),
    ...('caches' in self ? [] : ['Cache Storage']),
  ]
  return missing.length === 0 ? undefined : `This browser lacks ${missing.join(', ')}. A newer one will do.`
}

function start(settings: Settings): void {
  const worker = new Worker(new URL('./agent-worker.ts', import.meta.url), { type: 'module' })
  const send = (message: ToWorker): void => worker.postMessage(message)
  mine.value = true
  volunteering.value = undefined
  send({ type: 'start', settings, signals: lifecycle.now() })
  const unwatch = lifecycle.watch(() => send({ type: 'signals', signals: lifecycle.now() }))
  const end = (): void => {
    mine.value = false
    unwatch()
    unsubscribe()
    worker.terminate()
  }
  worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
    if (data.type !== 'taken') return
    end()
    channel.postMessage({ type: 'hello' } satisfies Said) // the other tab's: show it
  })
  worker.addEventListener('error', event => {
    // A script that cannot be loaded fails without a message, before there is anything to show.
    const trouble =
      event.message || 'its script could not be loaded. Is the server away? Reload to try again.'
    volunteering.value = { ...(volunteering.value ?? EMPTY), ...ENDED, trouble }
    end()
  })
  const unsubscribe = volunteering.subscribe(value => {
    if (value?.phase === 'ended' && mine.value) queueMicrotask(end)
  })
}

/** The volunteer of this browser profile. */
export const tabLink: Link = {
  volunteering,
  mine,
  machine: () => lifecycle.now(),
  obstacle,
  start,
  command: what => channel.postMessage({ type: 'command', command: what } satisfies Said),
}
