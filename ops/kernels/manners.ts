// Ways in which a host may ask a run: none of them may change a bit of its report.

import { type RunOutcome, type RunTask, runJob } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'

/** Never stopped, never looked at. */
export const quietly = (task: RunTask): Promise<RunOutcome> =>
  runJob(
    task,
    freely(() => 0),
  )

// Beyond the intervals at which a host asks for progress and output.
const LONG_MS = 10_000

/** A clock that jumps: after every step the host finds that it is time to look. */
function jumping(): () => number {
  let now = 0
  return () => {
    now += LONG_MS
    return now
  }
}

/** Asked for its output after every step. */
export const curiously = (task: RunTask): Promise<RunOutcome> => runJob(task, freely(jumping()))

/** Stopped after 2, 4, 8 … further steps, and resumed in a new instance each time. */
export async function interruptedly(task: RunTask): Promise<RunOutcome> {
  let checkpoint: Uint8Array | undefined
  for (let patience = 2; ; patience *= 2) {
    let steps = 0
    const gate = async () => (++steps === patience ? ('stop' as const) : ('go' as const))
    const outcome = await runJob({ ...task, checkpoint }, { ...freely(jumping()), gate })
    if (outcome.type !== 'stopped') return outcome
    checkpoint = outcome.checkpoint
  }
}
