// The volunteer of this browser profile, in a worker of the tab that started it: its timers are not slowed down when the tab is
// hidden, and it ends with its tab. All tabs hear of it and may steer it.

import { MACHINE_REASONS } from '#runtime/agent-state.ts'
import { Refusal } from '#runtime/api.ts'
import { minuteOfDay } from '#runtime/hours.ts'
import { EMPTY, ENDED, type Snapshot } from '#runtime/snapshot.ts'
import { heard, kept, stateShown } from '#runtime/snapshot-told.ts'
import type { Volunteer } from '#runtime/volunteer.ts'
import { openNative, type WebNative } from '../volunteer-native/native.ts'
import { machineFacts, membership, startHost } from './host.ts'
import { CHANNEL, type Command, type FromWorker, LOCK, type Said, type ToWorker } from './messages.ts'
import { openPool } from './pool.ts'
import { type Lent, lentBy, type Settings, type Signals } from './presets.ts'
import { type BrowserStore, openStore } from './store.ts'

// What changed in kind is shown at once. Progress alone once a second: each snapshot has all tabs draw, and where no graphics card
// does that it costs the core that computes (five a second took a quarter of it; ops/LOG.md).
const CHANGE_MS = 50
const PROGRESS_MS = 1_000
// Some rules are about time: hours of the day, minutes since a tab was hidden. Timers of workers are not slowed down.
const RULES_MS = 5_000

const channel = new BroadcastChannel(CHANNEL)
let snapshot: Snapshot | undefined
let agent: Volunteer | undefined
/** What the rules are applied to. */
let machine: { settings: Settings; signals: Signals } | undefined
let lent: Lent = { cores: 1, share: 1, reasons: [] }
let told: ReturnType<typeof setTimeout> | undefined
let tellsSoon = false

self.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'signals') {
    if (machine !== undefined) follow({ ...machine, signals: data.signals })
    return
  }
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
  if (command.type !== 'settings') agent?.send(command)
  else if (machine !== undefined) follow({ ...machine, settings: command.settings })
}

/** Holds the lock until the volunteer ends. */
async function volunteerFor({ settings, signals }: ToWorker & { type: 'start' }): Promise<void> {
  machine = { settings, signals }
  lent = rules(machine)
  const pool = openPool()
  let native: WebNative | undefined
  const begin = { ...EMPTY, preset: settings.preset, cores: lent.cores }
  show(begin)
  const looks = setInterval(() => machine !== undefined && follow(machine), RULES_MS)
  try {
    const store = await openStore() // refused by a browser that keeps nothing
    show({ ...begin, computed: await store.computed() })
    const member = await membership(store)
    const { hostId: id, name } = member.enrolled
    const tell: Parameters<typeof startHost>[0]['tell'] = (news, state) => {
      const before = snapshot ?? EMPTY
      show(heard(before, news, state, Date.now()))
      remember(store, before, snapshot ?? EMPTY)
    }
    show({ ...(snapshot ?? EMPTY), phase: 'on', host: { id, name } })
    const share = (): number => lent.share
    native = await openNative(machineFacts().memoryMiB)
    agent = startHost({ store: tellingSaves(store), pool, native, member, cores: lent.cores, share, tell })
    for (const reason of lent.reasons) agent.send({ type: 'pause', reason })
    await agent.done
    show({ ...(snapshot ?? EMPTY), ...ENDED })
  } catch (error) {
    show({ ...(snapshot ?? EMPTY), ...ENDED, trouble: reasonOf(error) })
  } finally {
    agent = undefined
    clearInterval(looks)
    pool.close()
    native?.close()
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

const rules = ({ settings, signals }: { settings: Settings; signals: Signals }): Lent =>
  lentBy(settings, signals, { now: Date.now(), minute: minuteOfDay(new Date()) })

/** Turns what a person chose and what the machine says into cores, shares and pauses. */
function follow(next: { settings: Settings; signals: Signals }): void {
  const before = lent
  machine = next
  lent = rules(next)
  if (agent === undefined) return
  if (lent.cores !== before.cores) agent.send({ type: 'lend', cores: lent.cores })
  for (const reason of MACHINE_REASONS) {
    if (lent.reasons.includes(reason) === before.reasons.includes(reason)) continue
    agent.send({ type: lent.reasons.includes(reason) ? 'pause' : 'resume', reason })
  }
  show({ ...stateShown(snapshot ?? EMPTY, agent.state()), preset: next.settings.preset })
}

function show(next: Snapshot): void {
  const soon = snapshot === undefined || isOther(snapshot, next)
  snapshot = next
  if (soon && !tellsSoon) clearTimeout(told)
  if (soon && !tellsSoon) told = setTimeout(say, CHANGE_MS)
  else told ??= setTimeout(say, PROGRESS_MS)
  tellsSoon ||= soon
}

/** Whether anything but progress differs. */
const isOther = (a: Snapshot, b: Snapshot): boolean =>
  a.phase !== b.phase ||
  a.control.state !== b.control.state ||
  a.computed !== b.computed ||
  a.offline !== b.offline ||
  a.preset !== b.preset ||
  a.cores !== b.cores ||
  a.mode?.mode !== b.mode?.mode ||
  a.runs.map(run => `${run.resultId} ${run.saved}`).join() !==
    b.runs.map(run => `${run.resultId} ${run.saved}`).join()

function say(): void {
  clearTimeout(told)
  told = undefined
  tellsSoon = false
  if (snapshot !== undefined) channel.postMessage({ type: 'snapshot', snapshot } satisfies Said)
}

/** What changed among the computed results goes to disk; the list for the page need not wait for it. */
function remember(store: BrowserStore, before: Snapshot, after: Snapshot): void {
  if (before.computed === after.computed) return
  const known = new Set(before.computed)
  for (const one of after.computed) if (!known.has(one)) store.saveComputed(one).catch(console.error)
}
