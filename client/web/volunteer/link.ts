import { signal } from '@preact/signals'
import { browserLifecycle, type Lifecycle } from './lifecycle.ts'
import {
  CHANNEL,
  type Command,
  EMPTY,
  ENDED,
  type FromWorker,
  LOCK,
  type Said,
  type Snapshot,
  type ToWorker,
} from './messages.ts'
import type { PresetName, Signals } from './presets.ts'

/** What this browser profile computes, wherever its worker lives; undefined: nothing. */
export const volunteering = signal<Snapshot | undefined>(undefined)
/** Whether the worker is this tab's. */
export const mine = signal(false)

const lifecycle: Lifecycle = browserLifecycle()
/** What this browser tells of its machine now. */
export const machine = (): Signals => lifecycle.now()
const channel = new BroadcastChannel(CHANNEL)
let watching = false

channel.addEventListener('message', ({ data }: MessageEvent<Said>) => {
  if (data.type !== 'snapshot') return
  volunteering.value = data.snapshot
  if (!mine.value) watchForItsEnd()
})
channel.postMessage({ type: 'hello' } satisfies Said)

/** The tab with the worker may be closed without a word; its lock is then free. */
function watchForItsEnd(): void {
  if (watching) return
  watching = true
  navigator.locks.request(LOCK, { mode: 'shared' }, () => {
    watching = false
    const { value } = volunteering
    if (!mine.value && value !== undefined && value.phase !== 'ended')
      volunteering.value = { ...value, ...ENDED }
  })
}

/** Why this browser cannot compute, in a sentence; undefined if it can. */
export function obstacle(): string | undefined {
  if (!isSecureContext) return 'This page came over plain http. Computing needs https (or this very machine).'
  const missing = [
    ...(typeof WebAssembly === 'undefined' ? ['WebAssembly'] : []),
    ...('locks' in navigator ? [] : ['Web Locks']),
    ...('indexedDB' in self ? [] : ['IndexedDB']),
    ...('caches' in self ? [] : ['Cache Storage']),
  ]
  return missing.length === 0 ? undefined : `This browser lacks ${missing.join(', ')}. A newer one will do.`
}

/** Starts the volunteer in this tab. Only ever called by a press of the button. */
export function start(preset: PresetName): void {
  const worker = new Worker(new URL('./agent-worker.ts', import.meta.url), { type: 'module' })
  const send = (message: ToWorker): void => worker.postMessage(message)
  mine.value = true
  volunteering.value = undefined
  send({ type: 'start', preset, signals: lifecycle.now() })
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

export const command = (what: Command): void =>
  channel.postMessage({ type: 'command', command: what } satisfies Said)
