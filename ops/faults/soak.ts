import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawPlan, FAULTS, type FaultKind } from './draw.ts'
import { type RunResult, runFaults } from './run.ts'
import { setStage } from './stage.ts'

interface Soak {
  readonly runs: number
  /** Of the first run; the others follow. */
  readonly seed: number
  readonly say: (row: object) => void
}

interface Soaked {
  readonly results: readonly RunResult[]
  /** Seeds. */
  readonly failed: readonly number[]
  readonly accepted: number
  /** What this machine does not let us do. */
  readonly skipped: readonly FaultKind[]
}

/** Runs so many campaigns among faults, one after the other. One that fails says its seed, and the others go on. */
export async function soakFaults({ runs, seed, say }: Soak): Promise<Soaked> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-faults-'))
  const results: RunResult[] = []
  const failed: number[] = []
  try {
    const stage = await setStage(dir)
    const skipped: readonly FaultKind[] = stage.disk === undefined ? ['full_disk'] : []
    const possible = FAULTS.filter(kind => !skipped.includes(kind))
    if (skipped.length > 0) say({ skipped, why: 'a small tmpfs can be mounted by root on Linux only' })
    try {
      for (let i = 0; i < runs; i++) {
        const plan = drawPlan(seed + i, possible)
        try {
          const result = await runFaults(stage, plan)
          results.push(result)
          say(result)
        } catch (error) {
          failed.push(plan.seed)
          const again = `npm run soak -- --runs 1 --seed ${plan.seed}`
          say({
            failed: plan.seed,
            again,
            plan,
            error: error instanceof Error ? error.message : String(error),
          })
        }
      }
    } finally {
      await stage.stop()
    }
    return { results, failed, accepted: results.reduce((sum, { accepted }) => sum + accepted, 0), skipped }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
