import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunPlan } from '#protocol/campaign.ts'
import type { Sha256 } from '#protocol/units.ts'
import { download, type Endpoint } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { patiently, prepareRun } from '#runtime/prepare.ts'
import type { RunOutcome, Slice } from '#runtime/run.ts'
import { judgeEngine, type ReadyKernel } from '#runtime/self-test.ts'
import { openDiskCache } from './disk-cache.ts'
import { Failure, selfTestFailure } from './failure.ts'
import { computeIn, openPool } from './pool.ts'

type Finished = Extract<RunOutcome, { type: 'report' }>

interface LocalRuns {
  readonly endpoint: Endpoint
  readonly cacheDir: string
  readonly cores: number
  readonly onSlice?: (plan: RunPlan, slice: Slice) => void
  readonly onFinished: (plan: RunPlan, finished: Finished) => void
}

/** Computes planned runs on this machine, as a host would, and reports nothing. @throws Failure when one cannot be run */
export async function runLocally(plans: readonly RunPlan[], settings: LocalRuns): Promise<void> {
  const files = {
    cache: await openDiskCache(join(settings.cacheDir, 'files')),
    download: patiently(hash => download(settings.endpoint, hash), {
      rng: Math.random,
      sleep: ms => sleep(ms),
    }),
    modules: new Map(),
  }
  const pool = openPool(settings.cores)
  const queue = [...plans]
  async function lane(): Promise<void> {
    for (let plan = queue.shift(); plan !== undefined; plan = queue.shift()) {
      settings.onFinished(plan, await runOne(plan))
    }
  }
  async function runOne(plan: RunPlan): Promise<Finished> {
    const prepared = await prepareRun(plan, files)
    if (!prepared.ok) throw new Failure(EXIT.failure, prepared.code, { what: prepared.detail })
    await prove(prepared.kernel)
    const outcome = await pool.run(prepared.task, {
      gate: async slice => {
        settings.onSlice?.(plan, slice)
        return 'go'
      },
      save: async () => undefined,
      nowMs: () => performance.now(),
    })
    if (outcome.type === 'report') return outcome
    const detail = outcome.type === 'error' ? outcome.detail : 'it was stopped'
    throw new Failure(EXIT.failure, outcome.type === 'error' ? outcome.code : 'stopped', { what: detail })
  }
  const proofs = new Map<Sha256, Promise<void>>()
  function prove(kernel: ReadyKernel): Promise<void> {
    const known = proofs.get(kernel.moduleSha256)
    if (known !== undefined) return known
    const proof = judgeEngine(kernel, computeIn(pool)).then(judged => {
      if (!judged.ok) throw selfTestFailure(judged.reason, false)
    })
    proofs.set(kernel.moduleSha256, proof)
    return proof
  }
  try {
    await Promise.all(Array.from({ length: Math.min(settings.cores, plans.length) }, lane))
  } finally {
    await pool.close()
  }
}
