import { once } from 'node:events'
import type { MessagePort } from 'node:worker_threads'
import { type Order, type RunControl, type RunOutcome, runJob } from '#runtime/run.ts'
import { type FromThread, ThreadOrder, type ThreadTask } from './pool-messages.ts'

/** The one function of a pool thread: computes a run, asking its host's thread between slices whether to go on. */
export async function run({ task, port }: ThreadTask): Promise<RunOutcome> {
  const control: RunControl = {
    gate: slice => asked(port, { type: 'slice', slice }),
    save: async checkpoint => {
      await asked(port, { type: 'save', checkpoint })
    },
    nowMs: () => performance.now(),
  }
  port.postMessage({ type: 'started' } satisfies FromThread)
  try {
    return await runJob(task, control)
  } finally {
    port.close()
  }
}

async function asked(port: MessagePort, message: FromThread): Promise<Order> {
  const answered = once(port, 'message')
  port.postMessage(message)
  const [order] = await answered
  return ThreadOrder.parse(order)
}
