import type { MessagePort } from 'node:worker_threads'
import type { RunTask } from '#runtime/run.ts'

/** What a thread is given: a run, and the port on which it waits between two slices. */
export interface ThreadTask {
  readonly task: RunTask
  readonly port: MessagePort
}
