import { once } from 'node:events'
import type { MessagePort } from 'node:worker_threads'
import type { Order, RunOutcome } from '#runtime/run.ts'
import { type FromThread, runAsked, ThreadOrder } from '#runtime/thread.ts'
import type { ThreadTask } from './pool-messages.ts'

/** The one function of a pool thread: computes a run, asking its host's thread between slices whether to go on. */
export async function run({ task, port }: ThreadTask): Promise<RunOutcome> {
  port.postMessage({ type: 'started' } satisfies FromThread)
  try {
    return await runAsked(
      task,
      message => asked(port, message),
      () => performance.now(),
    )
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
