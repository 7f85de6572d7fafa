// A thread that computes one run of a kernel at a time.

import type { RunTask } from '#runtime/run.ts'
import { runAsked } from '#runtime/thread.ts'
import { serveRuns } from './serve-runs.ts'

serveRuns((task: RunTask, ask) => runAsked(task, ask, () => performance.now()))
