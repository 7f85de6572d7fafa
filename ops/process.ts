import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { z } from 'zod'

/** One line of a program's `--json` output: every event says what it is in `ev`. */
export const Event = z.looseObject({ ev: z.string() })
export type Event = z.infer<typeof Event>

/** A running program of ours and the events it has printed. */
export interface Program {
  readonly name: string
  readonly child: ChildProcess
  readonly events: readonly Event[]
  /** Resolves with the exit code, or with the signal's name. */
  readonly exited: Promise<number | NodeJS.Signals>
  /** The first event, past or future, that fits. Rejects when the program ends without one. */
  until(fits: (event: Event) => boolean): Promise<Event>
  onEvent(listener: (event: Event) => void): void
  /** The end of what it said on standard error. */
  lastWords(): string
}

const root = join(import.meta.dirname, '..')
export const XEENET = join(root, 'client/node/xeenet.js')
const LAST_WORDS_CHARS = 8_000

/** Starts a TypeScript file of the project as a process of its own. A volunteer computes kernels, unless it is told otherwise. */
export function launch(
  name: string,
  [file, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv = {},
): Program {
  const child = spawn(process.execPath, [file, ...args], {
    cwd: root,
    env: { XEENET_ENGINES: 'wasm', ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const events: Event[] = []
  const listeners = new Set<(event: Event) => void>()
  createInterface({ input: child.stdout }).on('line', line => {
    const event = parseEvent(line)
    if (event === undefined) return
    events.push(event)
    for (const listener of listeners) listener(event)
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARS)
  })
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on('error', reject)
    // Not 'close': a grandchild may hold the pipes open after a kill.
    child.on('exit', (code, signal) => resolve(signal ?? code ?? 1))
  })
  const onEvent = (listener: (event: Event) => void): void => {
    for (const event of events) listener(event)
    listeners.add(listener)
  }
  const until = (fits: (event: Event) => boolean): Promise<Event> =>
    new Promise((resolve, reject) => {
      onEvent(event => fits(event) && resolve(event))
      exited.then(
        how => reject(new Error(`${name} ended (${how}) before it said so:\n${words}`)),
        error => reject(error),
      )
    })
  return { name, child, events, exited, until, onEvent, lastWords: () => words }
}

function parseEvent(line: string): Event | undefined {
  if (!line.startsWith('{')) return undefined
  const event = Event.safeParse(JSON.parse(line))
  return event.success ? event.data : undefined
}

/** Asks a program to stop and waits until it has; after `graceMs` it is killed. */
export async function stop(program: Program, graceMs = 25_000): Promise<void> {
  if (program.child.exitCode !== null || program.child.signalCode !== null) return
  program.child.kill('SIGTERM')
  const timer = setTimeout(() => program.child.kill('SIGKILL'), graceMs)
  await program.exited.finally(() => clearTimeout(timer))
}

const run = promisify(execFile)

/** Runs `xeenet ARGS --json` to its end and parses what it printed. Rejects on a non-zero exit, with its words. */
export async function xeenet<Reply>(
  args: readonly string[],
  schema: z.ZodType<Reply>,
  env: NodeJS.ProcessEnv = {},
): Promise<Reply> {
  const { stdout } = await run(process.execPath, [XEENET, ...args, '--json'], {
    cwd: root,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: Error & { stdout?: string; stderr?: string }) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`, { cause: error })
  })
  return schema.parse(JSON.parse(stdout))
}
