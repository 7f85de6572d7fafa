import { infeasibleOutcome } from '#client/onnx/report.ts'
import type { NativeOutcome } from '#client/onnx/run.ts'
import { Job } from '#protocol/job.ts'
import type { Order, RunControl } from '#runtime/run.ts'
import { answering, STALL_MS, stalled } from '#runtime/thread.ts'
import type { NativeOrder, ToChild } from './messages.ts'
import { type Supervised, superviseChild } from './supervise.ts'

export interface ChildRules extends Pick<Supervised, 'silenceMs' | 'signal' | 'onSpawn'> {
  /** Bytes of the process above which it is ended; without, those that its estimate is held against. */
  readonly killBytes?: number | undefined
  /** A call that takes this long will not end. */
  readonly stallMs?: number | undefined
  /** A process was lost, and another one goes on from the last checkpoint. */
  readonly onRestart?: ((because: string) => void) | undefined
}

// A driver that fails three times in a row without having come as far as a checkpoint will not mend itself.
const RESTARTS_MAX = 3

/**
 * Computes a native run in a process of its own. One that is lost is started again from the last checkpoint: at most the updates
 * since then are computed twice, and come out the same.
 */
export async function runInChild(
  order: NativeOrder,
  control: RunControl,
  rules: ChildRules = {},
): Promise<NativeOutcome> {
  let { checkpoint } = order
  let lost = 0
  const saving: RunControl = {
    ...control,
    save: async bytes => {
      await control.save(bytes)
      checkpoint = bytes
      lost = 0
    },
  }
  for (;;) {
    const attempt = await runOnce({ ...order, checkpoint }, saving, rules)
    if (attempt.type !== 'lost') return attempt.outcome
    rules.signal?.throwIfAborted()
    if (++lost > RESTARTS_MAX)
      return { type: 'error', code: 'engine_failed', detail: attempt.because.slice(0, 400), cpuMs: 0 }
    rules.onRestart?.(attempt.because)
  }
}

type Attempt =
  | { readonly type: 'over'; readonly outcome: NativeOutcome }
  | { readonly type: 'lost'; readonly because: string }

async function runOnce(order: NativeOrder, control: RunControl, rules: ChildRules): Promise<Attempt> {
  const { stallMs = STALL_MS, killBytes = order.memoryBytesMax, signal } = rules
  const stall = new AbortController()
  const answers = answering(control, stallMs, () => stall.abort())
  let outcome: NativeOutcome | undefined
  let estimateBytes = 0
  const end = await superviseChild(
    { type: 'run', order },
    {
      ...rules,
      memoryBytesMax: killBytes,
      signal: signal === undefined ? stall.signal : AbortSignal.any([signal, stall.signal]),
      hear: async message => {
        if (message.type === 'outcome') outcome = message.outcome
        else if (message.type === 'estimated') estimateBytes = message.bytes
        else if (message.type !== 'probed') return orderOf(await answers.hear(message))
        return undefined
      },
    },
  )
  answers.stop()
  if (outcome !== undefined) return { type: 'over', outcome }
  if (stall.signal.aborted && !signal?.aborted) return { type: 'over', outcome: stalled(stallMs) }
  if (end.type === 'out_of_memory')
    return {
      type: 'over',
      outcome: await outOfMemory(order, { estimateBytes, rssBytes: end.rssBytes, killBytes }),
    }
  return { type: 'lost', because: end.type === 'crashed' ? end.because : 'it ended without an answer' }
}

const orderOf = (order: Order | undefined): ToChild | undefined => order && { type: 'order', order }

interface Taken {
  readonly estimateBytes: number
  readonly rssBytes: number
  readonly killBytes: number
}

/** It took more than it may, although its estimate was less. */
async function outOfMemory(
  order: NativeOrder,
  { estimateBytes, rssBytes, killBytes }: Taken,
): Promise<NativeOutcome> {
  const { limit } = Job.parse(JSON.parse(order.job))
  const updates = 'updates' in limit ? limit.updates : 1
  const outcome = await infeasibleOutcome({ ...order, updates, cpuMs: 0 })
  const because = `the process had ${rssBytes} bytes of ${killBytes}`
  return { ...outcome, missed: { estimateBytes, because } }
}
