import { DETAIL_CHARS_MAX } from '#protocol/limits.ts'
import type { SelfTestAnswer } from '#protocol/scheduler.ts'
import { asLines } from '#protocol/text.ts'
import type { FileCache } from '#runtime/cache.ts'
import { judgeEngine } from '#runtime/self-test.ts'
import type { EngineMemory } from './engine-memory.ts'
import { readyKernel, releaseAtHand } from './known-kernels.ts'
import { computeIn, type Pool } from './pool.ts'

// Faulty memory fails now and then, not each time: one round would find little, and these take some seconds.
const ROUNDS = 20

/**
 * Tests this machine again because the server asks for it after a result that was wrong: the kernel that it computed last,
 * round after round, in the pool. The first digest that is not the published one ends it.
 */
export async function retest(cache: FileCache, memory: EngineMemory, pool: Pool): Promise<SelfTestAnswer> {
  const known = await releaseAtHand(cache, memory.read().lastRelease)
  if (known === undefined)
    return { passed: false, detail: 'this machine has no kernel left to be tested with' }
  const kernel = await readyKernel(known)
  const { name, version } = kernel.manifest
  for (let round = 1; round <= ROUNDS; round++) {
    const judged = await judgeEngine(kernel, computeIn(pool))
    if (!judged.ok)
      return { passed: false, detail: asLines(`round ${round}: ${judged.reason}`, DETAIL_CHARS_MAX) }
  }
  return { passed: true, detail: `${name}@${version}: the published digest ${ROUNDS} times` }
}
