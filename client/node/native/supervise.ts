import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { parseJson } from '../files.ts'
import { FromChild, PULSE_FD, Pulse, type ToChild } from './messages.ts'

const CHILD = join(import.meta.dirname, 'child.ts')
// As for trials and threads: the kernel's evaluation is WASM, and baseline code is 2.5 times slower.
const FLAGS = ['--no-wasm-deopt', '--no-liftoff', '--disable-warning=ExperimentalWarning']

/** What a driver and a linker need to find their libraries, and nothing else. */
const ENVIRONMENT =
  /^(PATH|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|CUDA_\w+|HIP_\w+|NVIDIA_\w+|VK_\w+|SYSTEMROOT|WINDIR|TEMP|TMP|TMPDIR|NODE_COMPILE_CACHE)$/i

export interface Supervised {
  /** What the child says; the answer, if there is one, goes back to it. */
  readonly hear: (message: FromChild) => Promise<ToChild | undefined> | undefined
  readonly memoryBytesMax: number
  /** No heartbeat for this long: the process is gone, or its machine is. */
  readonly silenceMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onSpawn?: ((child: ChildProcess) => void) | undefined
}

export type ChildEnd =
  /** It said all that it had to say. */
  | { readonly type: 'ended' }
  | { readonly type: 'out_of_memory'; readonly rssBytes: number }
  | { readonly type: 'crashed'; readonly because: string }

const SILENCE_MS = 30_000
// A busy machine may take long to start a process: its time counts from its first beat.
const START_MS = 120_000
const WORDS_MAX = 2_000

/** Starts a process, gives it one message, and looks after it until it is gone; `signal` kills it. */
export function superviseChild(first: ToChild, settings: Supervised): Promise<ChildEnd> {
  const { memoryBytesMax, silenceMs = SILENCE_MS, signal } = settings
  const child = fork(CHILD, {
    ...{ execArgv: FLAGS, env: environment(), serialization: 'advanced' },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'ipc'],
  })
  const ended = Promise.withResolvers<ChildEnd>()
  let words = ''
  let verdict: ChildEnd | undefined
  const kill = (because: ChildEnd): void => {
    verdict ??= because
    child.kill('SIGKILL')
  }
  let silence: ReturnType<typeof setTimeout> | undefined
  const expectLife = (withinMs: number): void => {
    clearTimeout(silence)
    const because = `no sign of life within ${withinMs} ms`
    silence = setTimeout(() => kill({ type: 'crashed', because }), withinMs)
  }
  expectLife(START_MS)
  onPulse(child, ({ rssBytes }) => {
    expectLife(silenceMs)
    if (rssBytes > memoryBytesMax) kill({ type: 'out_of_memory', rssBytes })
  })
  child.stderr?.on('data', (bytes: Buffer) => {
    words = `${words}${bytes}`.slice(-WORDS_MAX)
  })
  child.on('message', (said: unknown) => {
    expectLife(silenceMs)
    respond(child, settings, said).catch(error => kill({ type: 'crashed', because: String(error) }))
  })
  const onAbort = (): void => kill({ type: 'crashed', because: 'aborted' })
  signal?.addEventListener('abort', onAbort)
  child.on('error', error => ended.resolve({ type: 'crashed', because: error.message }))
  child.on('close', (code, sign) => ended.resolve(verdict ?? endOf(code, sign, words)))
  settings.onSpawn?.(child)
  if (signal?.aborted) onAbort()
  else child.send(first, error => error !== null && child.kill('SIGKILL')) // what ended it says more than the pipe
  return ended.promise.finally(() => {
    clearTimeout(silence)
    signal?.removeEventListener('abort', onAbort)
  })
}

async function respond(child: ChildProcess, { hear }: Supervised, said: unknown): Promise<void> {
  const reply = await hear(FromChild.parse(said))
  if (reply !== undefined && child.connected) child.send(reply, () => undefined) // gone meanwhile: its end says so
}

function endOf(code: number | null, signal: string | null, words: string): ChildEnd {
  if (code === 0) return { type: 'ended' }
  const last = words.trim().split('\n').at(-1) ?? ''
  return {
    type: 'crashed',
    because: `it ended with ${signal ?? `code ${code}`}${last && `: ${last.slice(0, 200)}`}`,
  }
}

function onPulse(child: ChildProcess, beat: (pulse: Pulse) => void): void {
  const pipe = child.stdio[PULSE_FD]
  if (!isReadable(pipe)) throw new Error('the process has no pipe for its heartbeat')
  createInterface({ input: pipe }).on('line', line => {
    const pulse = Pulse.safeParse(parseJson(line))
    if (pulse.success) beat(pulse.data)
  })
}

const isReadable = (stream: unknown): stream is Readable =>
  typeof stream === 'object' && stream !== null && 'read' in stream

const environment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => ENVIRONMENT.test(name)))
