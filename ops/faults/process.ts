import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServerReady } from '#protocol/process.ts'
import type { Disturbance } from './disturb.ts'

/** A process of the server by itself, without anybody who looks after it. */
export interface ServerProcess {
  /** Its address, once it takes calls; never of one without the role `http`. */
  readonly ready: Promise<string>
  readonly exited: Promise<void>
  readonly pid: number
  disturb(how: Disturbance): void
  end(signal: NodeJS.Signals): Promise<void>
  lastWords(): string
}

const MAIN = join(import.meta.dirname, '../../server/main.ts')
const DISTURB = join(import.meta.dirname, 'disturb.ts')
const LAST_WORDS_CHARS = 8_000

interface Start {
  /** Of another release. */
  readonly main?: string | undefined
  /** Whether `disturb` works; what it needs costs the server some of its time. */
  readonly isDisturbed?: boolean
}

/** Starts one with these settings. */
export function startServer(
  env: NodeJS.ProcessEnv,
  { main = MAIN, isDisturbed = true }: Start = {},
): ServerProcess {
  const child: ChildProcess = fork(main, [], {
    env: { ...process.env, ...env },
    execArgv: isDisturbed ? ['--import', DISTURB] : [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARS)
  })
  const exited = once(child, 'exit').then(() => undefined)
  const ready = Promise.withResolvers<string>()
  ready.promise.catch(() => undefined) // who asks is told
  child.on('message', message => {
    const told = ServerReady.safeParse(message)
    if (told.success) ready.resolve(told.data.url)
  })
  exited.then(() => ready.reject(new Error(`the server ended before it was ready:\n${words}`)))
  return {
    ready: ready.promise,
    exited,
    pid: child.pid ?? 0,
    disturb: how => void (child.connected && child.send(how, () => undefined)), // one that is gone cannot be disturbed
    end: async signal => {
      child.kill(signal)
      await exited
    },
    lastWords: () => words,
  }
}

/** A process that is started again whenever it ends, as an init system would. */
export interface KeptProcess {
  readonly name: string
  now(): ServerProcess
  /** Ends it in order; what takes its place, now and from then on, is of another release. */
  upgrade(main: string): Promise<void>
  stop(): Promise<void>
  lastWords(): string
}

const RESTART_MS = 100
const WORDS_KEPT = 20_000

export function keepServer(name: string, env: NodeJS.ProcessEnv): KeptProcess {
  let stopping = false
  let release: string | undefined
  let current = startServer(env)
  let again = Promise.withResolvers<void>()
  let words = ''
  const kept = (async () => {
    while (!stopping) {
      await current.exited
      words = (words + current.lastWords()).slice(-WORDS_KEPT)
      if (stopping) return
      await sleep(RESTART_MS)
      if (stopping) return
      current = startServer(env, { main: release })
      again.resolve()
      again = Promise.withResolvers()
    }
  })()
  return {
    name,
    now: () => current,
    upgrade: async main => {
      release = main
      const next = again.promise
      await current.end('SIGTERM')
      await next
    },
    stop: async () => {
      stopping = true
      await current.end('SIGKILL')
      await kept
    },
    lastWords: () => words + current.lastWords(),
  }
}
