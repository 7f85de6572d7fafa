import type { RunControl, RunOutcome, RunTask } from '#runtime/run.ts'
import { answering, STALL_MS, stalled } from '#runtime/thread.ts'

/** Web workers that compute runs, one run each; idle ones are kept. */
export interface Pool {
  /** Resolves with the outcome; `signal` ends the worker at once, whatever it does. */
  run(task: RunTask, control: RunControl, signal?: AbortSignal): Promise<RunOutcome>
  close(): void
}

export function openPool(): Pool {
  const idle: Worker[] = []
  const busy = new Set<Worker>()
  return {
    run: async (task, control, signal) => {
      const worker = idle.pop() ?? newWorker()
      busy.add(worker)
      try {
        const outcome = await runIn(worker, task, control, signal)
        idle.push(worker)
        return outcome
      } catch (error) {
        worker.terminate()
        if (error instanceof Stalled) return stalled(STALL_MS)
        throw error
      } finally {
        busy.delete(worker)
      }
    },
    close: () => {
      for (const worker of [...idle, ...busy]) worker.terminate()
    },
  }
}

const newWorker = (): Worker => new Worker(new URL('./run-worker.ts', import.meta.url), { type: 'module' })

class Stalled extends Error {}

type FromRunWorker =
  | { readonly type: 'outcome'; readonly outcome: RunOutcome }
  | { readonly type: 'started' | 'slice' | 'save' }

function runIn(
  worker: Worker,
  task: RunTask,
  control: RunControl,
  signal: AbortSignal | undefined,
): Promise<RunOutcome> {
  const ended = Promise.withResolvers<RunOutcome>()
  const answers = answering(control, STALL_MS, () => ended.reject(new Stalled()))
  const onAbort = (): void => ended.reject(signal?.reason)
  const onError = (event: ErrorEvent): void => {
    event.preventDefault() // it ends this run, not the volunteer
    ended.reject(new Error(event.message || 'the script of a thread could not be loaded'))
  }
  const onMessage = ({ data }: MessageEvent<FromRunWorker>): void => {
    if (data.type === 'outcome') ended.resolve(data.outcome)
    else hear(data)
  }
  const hear = (said: unknown): void => {
    answers
      .hear(said)
      .then(order => (order === undefined ? undefined : worker.postMessage(order)))
      .catch(ended.reject)
  }
  worker.addEventListener('message', onMessage)
  worker.addEventListener('error', onError)
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  else worker.postMessage({ task })
  return ended.promise.finally(() => {
    answers.stop()
    worker.removeEventListener('message', onMessage)
    worker.removeEventListener('error', onError)
    signal?.removeEventListener('abort', onAbort)
  })
}
