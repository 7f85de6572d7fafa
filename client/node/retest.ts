import type { SelfTestAnswer } from '#protocol/scheduler.ts'
import type { FileCache } from '#runtime/cache.ts'
import { readyKernel } from '#runtime/known-release.ts'
import { testAgain } from '#runtime/self-test.ts'
import type { EngineMemory } from './engine-memory.ts'
import { releaseAtHand } from './known-kernels.ts'
import { computeIn, type Pool } from './pool.ts'

/**
 * Tests this machine again because the server asks for it after a result that was wrong: the kernel that it computed last,
 * round after round, in the pool.
 */
export async function retest(cache: FileCache, memory: EngineMemory, pool: Pool): Promise<SelfTestAnswer> {
  const known = await releaseAtHand(cache, memory.read().lastRelease)
  return testAgain(known === undefined ? undefined : await readyKernel(known), computeIn(pool))
}
