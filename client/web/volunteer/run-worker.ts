// A thread that computes one run at a time and asks between slices whether to go on.

import type { Order, RunOutcome, RunTask } from '#runtime/run.ts'
import { type FromThread, runAsked, ThreadOrder } from '#runtime/thread.ts'

let ordered: ((order: Order) => void) | undefined

function ask(message: FromThread): Promise<Order> {
  return new Promise(resolve => {
    ordered = resolve
    self.postMessage(message)
  })
}

async function compute(task: RunTask): Promise<void> {
  self.postMessage({ type: 'started' } satisfies FromThread)
  const outcome: RunOutcome = await runAsked(task, ask, () => performance.now())
  self.postMessage({ type: 'outcome', outcome })
}

self.addEventListener('message', ({ data }: MessageEvent<{ task: RunTask } | Order>) => {
  if (typeof data === 'string') ordered?.(ThreadOrder.parse(data))
  // A throw is a bug of ours: let it reach the worker's error event.
  else
    compute(data.task).catch(error =>
      setTimeout(() => {
        throw error
      }),
    )
})
