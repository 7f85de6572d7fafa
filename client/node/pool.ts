import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { RunControl, RunOutcome, RunTask } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'
import { answering, STALL_MS, stalled } from '#runtime/thread.ts'
import type { ThreadTask } from './pool-messages.ts'

/** Threads that compute runs, one run a thread. */
export interface Pool {
  /** Resolves with the outcome; `signal` ends the thread at once, whatever it does. */
  run(task: RunTask, control: RunControl, signal?: AbortSignal): Promise<RunOutcome>
  close(): Promise<void>
}

/** A pool of at most `threads` threads without environment variables. V8's flags are the entry's (`xeenet.js`). */
export function openPool(threads = availableParallelism(), stallMs = STALL_MS): Pool {
  const piscina = new Piscina({
    filename: join(import.meta.dirname, 'pool-thread.ts'),
    name: 'run',
    minThreads: 0,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: 30_000,
    env: {},
    atomics: 'disabled', // a thread must hear its port between two slices
  })
  return {
    run: (task, control, signal) => runInThread(piscina, { task, control, stallMs, signal }),
    close: () => piscina.destroy(),
  }
}

/** A run in the pool that nothing stops, saves or slows. */
export const computeIn =
  (pool: Pool) =>
  (task: RunTask): Promise<RunOutcome> =>
    pool.run(
      task,
      freely(() => performance.now()),
    )

interface Running {
  readonly task: RunTask
  readonly control: RunControl
  readonly stallMs: number
  readonly signal: AbortSignal | undefined
}

async function runInThread(piscina: Piscina<ThreadTask, RunOutcome>, run: Running): Promise<RunOutcome> {
  const { port1, port2 } = new MessageChannel()
  const stall = new AbortController()
  const signal = run.signal === undefined ? stall.signal : AbortSignal.any([run.signal, stall.signal])
  const answers = answering(run.control, run.stallMs, () => stall.abort())
  port1.on('message', (message: unknown) => {
    answers
      .hear(message)
      .then(order => (order === undefined ? undefined : port1.postMessage(order)))
      .catch(() => stall.abort())
  })
  try {
    return await piscina.run({ task: run.task, port: port2 }, { transferList: transferred(port2), signal })
  } catch (error) {
    if (!stall.signal.aborted || run.signal?.aborted) throw error
    return stalled(run.stallMs)
  } finally {
    answers.stop()
    port1.close()
  }
}

/** piscina insists on an array, while its types, read with Node's newer ones, insist on an object with `transfer`. */
const transferred = (port: MessagePort): MessagePort[] & { transfer: MessagePort[] } =>
  Object.assign([port], { transfer: [port] })
