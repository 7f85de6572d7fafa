import type { MessagePort } from 'node:worker_threads'
import { z } from 'zod'
import type { RunTask, Slice } from '#runtime/run.ts'

/** What a thread is given: a run, and the port on which it waits between two slices. */
export interface ThreadTask {
  readonly task: RunTask
  readonly port: MessagePort
}

/** What a thread says. After a slice or a save it waits for an order before it goes on. */
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
