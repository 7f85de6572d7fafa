// The volunteer of this browser profile, in a worker of the tab that started it: its timers are not slowed down when the tab is
// hidden, and it ends with its tab. All tabs hear of it and may steer it.

import { PAUSE_REASONS, type PauseReason } from '#runtime/agent-state.ts'
import { Refusal } from '#runtime/api.ts'
import type { Volunteer } from '#runtime/volunteer.ts'
import { membership, startHost } from './host.ts'
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
import { openPool } from './pool.ts'
import { PRESETS, pausesFor, type Signals } from './presets.ts'
import { type BrowserStore, openStore } from './store.ts'
import { heard, kept } from './tell.ts'

// Often enough to look alive, seldom enough to cost nothing.
const SNAPSHOT_MS = 200

const channel = new BroadcastChannel(CHANNEL)
let snapshot: Snapshot | undefined
let agent: Volunteer | undefined
let paused: readonly PauseReason[] = []
let told: ReturnType<typeof setTimeout> | undefined

self.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'signals') return follow(data.signals)
  navigator.locks.request(LOCK, { ifAvailable: true }, async lock => {
    if (lock === null) self.postMessage({ type: 'taken' } satisfies FromWorker)
    else await volunteerFor(data)
  })
})

channel.addEventListener('message', ({ data }: MessageEvent<Said>) => {
  if (data.type === 'hello') say()
  if (data.type === 'command') obey(data.command)
})

function obey(command: Command): void {
  if (command === 'pause' || command === 'resume') agent?.send({ type: command, reason: 'user' })
  else agent?.send({ type: command })
}

/** Holds the lock until the volunteer ends. */
async function volunteerFor({ preset, signals }: ToWorker & { type: 'start' }): Promise<void> {
  const cores = PRESETS[preset].cores(signals)
  const pool = openPool()
  show({ ...EMPTY, preset, cores })
  try {
    const store = await openStore() // refused by a browser that keeps nothing
    show({ ...EMPTY, preset, cores, computed: await store.computed() })
    const member = await membership(store)
    const { hostId: id, name } = member.enrolled
    const { share } = PRESETS[preset]
    const tell: Parameters<typeof startHost>[0]['tell'] = (news, state) => {
      const before = snapshot ?? EMPTY
      show(heard(before, news, state, Date.now()))
      remember(store, before, snapshot ?? EMPTY)
    }
    show({ ...(snapshot ?? EMPTY), phase: 'on', host: { id, name } })
    agent = startHost({ store: tellingSaves(store), pool, member, cores, share, tell })
    paused = []
    follow(signals)
    await agent.done
    show({ ...(snapshot ?? EMPTY), ...ENDED })
  } catch (error) {
    show({ ...(snapshot ?? EMPTY), ...ENDED, trouble: reasonOf(error) })
  } finally {
    agent = undefined
    pool.close()
    say()
  }
}

/** The same store; the tabs hear of each checkpoint once it is on disk. */
const tellingSaves = (store: BrowserStore): BrowserStore => ({
  ...store,
  saveCheckpoint: async (resultId, bytes) => {
    await store.saveCheckpoint(resultId, bytes)
    show(kept(snapshot ?? EMPTY, resultId))
  },
})

function reasonOf(error: unknown): string {
  if (error instanceof Refusal) return `${error.message} ${error.problem.hint}`
  return error instanceof Error ? error.message : String(error)
}

/** Turns what the machine says into pauses. */
function follow(signals: Signals): void {
  if (snapshot === undefined || agent === undefined) return
  const reasons = pausesFor(snapshot.preset, signals)
  for (const reason of PAUSE_REASONS) {
    if (reasons.includes(reason) === paused.includes(reason)) continue
    agent.send({ type: reasons.includes(reason) ? 'pause' : 'resume', reason })
  }
  paused = reasons
}

function show(next: Snapshot): void {
  snapshot = next
  told ??= setTimeout(say, SNAPSHOT_MS)
}

function say(): void {
  clearTimeout(told)
  told = undefined
  if (snapshot !== undefined) channel.postMessage({ type: 'snapshot', snapshot } satisfies Said)
}

/** What changed among the computed results goes to disk; the list for the page need not wait for it. */
function remember(store: BrowserStore, before: Snapshot, after: Snapshot): void {
  if (before.computed === after.computed) return
  const known = new Set(before.computed)
  for (const one of after.computed) if (!known.has(one)) store.saveComputed(one).catch(console.error)
}
