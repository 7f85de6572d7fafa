import type { Order, RunOutcome } from '#runtime/run.ts'
import { type FromThread, ThreadOrder } from '#runtime/thread.ts'

/** Tells the host something and waits for its order. */
export type Ask = (message: FromThread) => Promise<Order>

/** Makes this worker one that computes a run at a time, and asks between slices whether to go on. */
export function serveRuns<Task>(compute: (task: Task, ask: Ask) => Promise<RunOutcome>): void {
  let ordered: ((order: Order) => void) | undefined
  const ask: Ask = message =>
    new Promise(resolve => {
      ordered = resolve
      self.postMessage(message)
    })

  async function answer(task: Task): Promise<void> {
    self.postMessage({ type: 'started' } satisfies FromThread)
    self.postMessage({ type: 'outcome', outcome: await compute(task, ask) })
  }

  self.addEventListener('message', ({ data }: MessageEvent<{ task: Task } | Order>) => {
    if (typeof data === 'string') ordered?.(ThreadOrder.parse(data))
    // A throw is a bug of ours: let it reach the worker's error event.
    else
      answer(data.task).catch(error =>
        setTimeout(() => {
          throw error
        }),
      )
  })
}
