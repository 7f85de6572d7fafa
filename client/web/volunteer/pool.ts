import type { RunControl, RunOutcome, RunTask } from '#runtime/run.ts'
import { answering, STALL_MS, stalled } from '#runtime/thread.ts'

/** Web workers that compute runs, one run each; idle ones are kept. */
export interface Pool<Task = RunTask, Outcome extends RunOutcome = RunOutcome> {
  /** Resolves with the outcome; `signal` ends the worker at once, whatever it does. */
  run(task: Task, control: RunControl, signal?: AbortSignal): Promise<Outcome | RunOutcome>
  close(): void
}

/** @param newWorker one that serves runs (serve-runs.ts) */
export function openPool<Task = RunTask, Outcome extends RunOutcome = RunOutcome>(
  newWorker: () => Worker = runWorker,
): Pool<Task, Outcome> {
  const idle: Worker[] = []
  const busy = new Set<Worker>()
  return {
    run: async (task, control, signal) => {
      const worker = idle.pop() ?? newWorker()
      busy.add(worker)
      try {
        const outcome = await runIn<Outcome>(worker, task, control, signal)
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

const runWorker = (): Worker => new Worker(new URL('./run-worker.ts', import.meta.url), { type: 'module' })

class Stalled extends Error {}

type FromRunWorker<Outcome> =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'started' | 'slice' | 'save' }

function runIn<Outcome>(
  worker: Worker,
  task: unknown,
  control: RunControl,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const ended = Promise.withResolvers<Outcome>()
  const answers = answering(control, STALL_MS, () => ended.reject(new Stalled()))
  const onAbort = (): void => ended.reject(signal?.reason)
  const onError = (event: ErrorEvent): void => {
    event.preventDefault() // it ends this run, not the volunteer
    ended.reject(new Error(event.message || 'the script of a thread could not be loaded'))
  }
  const onMessage = ({ data }: MessageEvent<FromRunWorker<Outcome>>): void => {
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
