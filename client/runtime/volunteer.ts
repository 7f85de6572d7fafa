// The shell around the agent: performs its effects and feeds it what came of them. Without an environment: disk,
// threads, clock and chance come in as ports.

import type { EngineClass, EngineRates } from '#protocol/engine.ts'
import { DETAIL_CHARS_MAX } from '#protocol/limits.ts'
import type { Lease, SelfTestAnswer } from '#protocol/scheduler.ts'
import { asLines } from '#protocol/text.ts'
import type { Sha256 } from '#protocol/units.ts'
import { step } from './agent.ts'
import {
  type AgentEffect,
  type AgentEvent,
  type AgentOptions,
  type AgentState,
  type LocalMs,
  type News,
  startAgent,
} from './agent-state.ts'
import type { Endpoint, Identity } from './api.ts'
import type { Rng } from './backoff.ts'
import type { FileCache } from './cache.ts'
import { callOut } from './call-out.ts'
import type { HostStore } from './host-store.ts'
import type { PinnedKey } from './release.ts'
import type { RunControl, RunOutcome, RunTask, Slice } from './run.ts'
import { type RunHandle, startRun } from './run-lease.ts'
import type { ReadyKernel } from './self-test.ts'

/** Computes one run. Anything that answers like `runJob` will do; `signal` is the kill switch. */
export type Compute = (
  run: { readonly lease: Lease; readonly task: RunTask; readonly kernel: ReadyKernel },
  control: RunControl,
  signal: AbortSignal,
) => Promise<RunOutcome>

/** Whether this process may compute a kernel. `again`: another process of this machine, with another engine, may. */
export type Fitness =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly again: boolean }

export type VolunteerNews =
  | News
  | { readonly ev: 'result.progress'; readonly lease: Lease; readonly slice: Slice }
  | { readonly ev: 'result.done'; readonly lease: Lease; readonly outcome: RunOutcome }
  | { readonly ev: 'result.kept'; readonly result: string }
  | { readonly ev: 'offline'; readonly reason: string; readonly retryMs: number }
  | { readonly ev: 'online' }
  | { readonly ev: 'self-test'; readonly passed: boolean; readonly detail: string }

export interface Ports {
  readonly endpoint: Endpoint
  readonly identity: Identity
  readonly keys: readonly PinnedKey[]
  readonly store: HostStore
  readonly cache: FileCache
  readonly compute: Compute
  /** Asked before each run; remembers its answers. */
  readonly prove: (kernel: ReadyKernel) => Promise<Fitness>
  /** Whether this machine computes as all others do. */
  readonly selfTest: () => Promise<SelfTestAnswer>
  readonly machine: {
    readonly client: string
    readonly engineClasses: readonly EngineClass[]
    readonly engineRates?: EngineRates
    readonly memoryMiB: number
  }
  readonly now: () => LocalMs
  readonly rng: Rng
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  readonly tell: (news: VolunteerNews, state: AgentState) => void
  /** Share of each core's time, above 0 and at most 1. */
  readonly share: () => number
  readonly checkpointMs?: number
  /** Give up, with exit code 3, when the server is gone for this long; absent: never. */
  readonly patienceMs?: number
}

export interface Volunteer {
  /** The exit code. Rejects on a bug, or when what must be durable cannot be written. */
  readonly done: Promise<number>
  readonly send: (event: AgentEvent) => void
  readonly state: () => AgentState
}

/** What the shell's parts share. */
export interface Shell {
  readonly ports: Ports
  readonly modules: Map<Sha256, Promise<WebAssembly.Module>>
  readonly runs: Map<string, RunHandle>
  /** Aborts when the agent is told to stop: sleeps end early. */
  readonly stopping: AbortController
  readonly send: (event: AgentEvent) => void
  readonly state: () => AgentState
  readonly tell: (news: VolunteerNews) => void
  readonly end: (code: number) => void
  readonly fail: (error: unknown) => void
}

/** Starts volunteering: resumes what is on disk, then asks for work until told otherwise. */
export function volunteer(ports: Ports, options: AgentOptions): Volunteer {
  let state = startAgent(options)
  let tail: Promise<void> = Promise.resolve()
  const settled = Promise.withResolvers<number>()
  const alarm = { controller: new AbortController() }

  const shell: Shell = {
    ports,
    modules: new Map(),
    runs: new Map(),
    stopping: new AbortController(),
    send,
    state: () => state,
    tell: news => ports.tell(news, state),
    end: code => {
      settled.resolve(code)
      endEverything()
    },
    fail: error => {
      settled.reject(error)
      endEverything()
    },
  }

  /** Effects are performed in order, one event's after the other's: what must be durable is, before what relies on it. */
  function send(event: AgentEvent): void {
    const stepped = step(state, event, ports.now())
    state = stepped.state
    if (state.intent === 'stop') shell.stopping.abort()
    tail = tail.then(() => performAll(stepped.effects)).catch(shell.fail)
  }

  async function performAll(effects: readonly AgentEffect[]): Promise<void> {
    for (const effect of effects) {
      if (effect.type === 'wake') setAlarm(effect.at)
      else await perform(shell, effect)
    }
  }

  function setAlarm(at: LocalMs): void {
    alarm.controller.abort()
    const controller = new AbortController()
    alarm.controller = controller
    ports.sleep(Math.max(0, at - ports.now()), controller.signal).then(() => {
      if (!controller.signal.aborted) send({ type: 'tick' })
    }, shell.fail)
  }

  function endEverything(): void {
    alarm.controller.abort()
    shell.stopping.abort()
    for (const run of shell.runs.values()) run.kill()
  }

  ports.store.load().then(left => send({ type: 'restored', ...left }), shell.fail)
  return { done: settled.promise, send, state: shell.state }
}

/** Performs one effect. Runs and calls are started, not awaited: their end is an event. */
async function perform(shell: Shell, effect: AgentEffect): Promise<void> {
  const { store } = shell.ports
  switch (effect.type) {
    case 'keep':
      return store.saveLease(effect.lease)
    case 'start':
      return startRun(shell, effect.lease)
    case 'abandon':
      shell.runs.get(effect.resultId)?.kill()
      return store.forget(effect.resultId)
    case 'release':
      return effect.running ? shell.runs.get(effect.lease.resultId)?.stop() : giveBack(shell, effect.lease)
    case 'call':
      callOut(shell, effect).catch(shell.fail)
      return
    case 'forget':
      return store.forget(effect.resultId)
    case 'forget_artifact':
      return store.forgetArtifact(effect.resultId)
    case 'self_test':
      testMachine(shell).catch(shell.fail)
      return
    case 'hold':
      return
    case 'go_on':
      for (const run of shell.runs.values()) run.nudge()
      return
    case 'tell':
      return shell.tell(effect.news)
    case 'exit':
      return shell.end(effect.code)
    case 'wake':
      return
    default:
      return unreachable(effect)
  }
}

/** A test that cannot even run is one that failed. */
async function testMachine(shell: Shell): Promise<void> {
  const { passed, detail } = await shell.ports.selfTest().catch(
    (error: unknown): SelfTestAnswer => ({
      passed: false,
      detail: error instanceof Error ? error.message : String(error),
    }),
  )
  const answer = { passed, detail: asLines(detail, DETAIL_CHARS_MAX) }
  shell.tell({ ev: 'self-test', ...answer })
  shell.send({ type: 'tested', ...answer })
}

/** A lease that was never started, or whose progress is on disk already. */
async function giveBack(shell: Shell, lease: Lease): Promise<void> {
  const { resultId } = lease
  if ((await shell.ports.store.checkpoint(resultId)) !== undefined)
    return shell.send({ type: 'kept', resultId })
  const report = {
    resultId,
    outcome: 'error',
    code: 'host_stopped',
    detail: 'not started',
    cpuMs: 0,
  } as const
  await shell.ports.store.saveReport(report, null)
  shell.send({ type: 'finished', report })
}

function unreachable(value: never): never {
  throw new Error(`unhandled effect ${JSON.stringify(value)}`)
}
