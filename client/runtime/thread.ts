import { z } from 'zod'
import { type Order, type RunControl, type RunOutcome, type RunTask, runJob, type Slice } from './run.ts'

/** What a thread that computes says to its host. After a slice or a save it waits for an order before it goes on. */
export const FromThreadMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started') }),
  z.object({ type: z.literal('slice'), slice: z.custom<Slice>() }),
  z.object({
    type: z.literal('save'),
    checkpoint: z.custom<Uint8Array>(value => value instanceof Uint8Array),
  }),
])
export type FromThread = z.infer<typeof FromThreadMessage>

export const ThreadOrder = z.enum(['go', 'checkpoint', 'stop'])

/** The thread's side: computes a run, asking its host between slices whether to go on. */
export function runAsked(
  task: RunTask,
  ask: (message: FromThread) => Promise<Order>,
  nowMs: () => number,
): Promise<RunOutcome> {
  return runJob(task, {
    gate: slice => ask({ type: 'slice', slice }),
    save: async checkpoint => {
      await ask({ type: 'save', checkpoint })
    },
    nowMs,
  })
}

// A slice takes well under a second on a slow machine; a step that takes this long will not end.
export const STALL_MS = 10 * 60_000

export const stalled = (stallMs: number): RunOutcome => ({
  type: 'error',
  code: 'killed',
  detail: `no step ended within ${stallMs} ms`,
  cpuMs: stallMs,
})

export interface Answering {
  /** Takes what the thread said and gives the order to send back, if one is due. */
  hear(message: unknown): Promise<Order | undefined>
  stop(): void
}

/** The host's side of one run in a thread; `onStall` when it computes for longer than `stallMs` without a word. */
export function answering(control: RunControl, stallMs: number, onStall: () => void): Answering {
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = (): void => clearTimeout(timer)
  const computing = (): void => {
    stop()
    timer = setTimeout(onStall, stallMs)
  }

  async function hear(said: unknown): Promise<Order | undefined> {
    const message = FromThreadMessage.parse(said)
    stop() // time it waits for us does not count
    // A busy machine may take long to start a thread: its time counts from its first word.
    const order = message.type === 'started' ? undefined : await orderFor(control, message)
    computing()
    return order
  }
  return { hear, stop }
}

async function orderFor(
  control: RunControl,
  message: Exclude<FromThread, { type: 'started' }>,
): Promise<Order> {
  if (message.type === 'slice') return control.gate(message.slice)
  await control.save(message.checkpoint)
  return 'go'
}
