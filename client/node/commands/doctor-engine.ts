import type { Check } from '#protocol/check.ts'
import { readyKernel } from '#runtime/known-release.ts'
import { judgeEngine } from '#runtime/self-test.ts'
import { builtReleases } from '../known-kernels.ts'
import { computeIn, openPool } from '../pool.ts'
import { hasAvx2, tryFastEngine } from '../trial.ts'

/** The self-tests of the kernels that are here, against the digests published with them. */
export async function checkSelfTest(): Promise<Check> {
  const check = { name: 'self-test', level: 'must' } as const
  const releases = await builtReleases()
  if (releases.length === 0) return { ...check, ok: true, found: 'not done: no kernel is built here' }
  const pool = openPool(1)
  const found: string[] = []
  try {
    for (const known of releases) {
      const kernel = await readyKernel(known)
      const judged = await judgeEngine(kernel, computeIn(pool))
      if (!judged.ok) return { ...check, ok: false, found: judged.reason, remedy: REMEDY }
      found.push(`${kernel.manifest.name}@${kernel.manifest.version} ${judged.digest.slice(0, 12)}…`)
    }
    return { ...check, ok: true, found: `as published: ${found.join(', ')}` }
  } finally {
    await pool.close()
  }
}

const REMEDY = 'Do not volunteer with this machine: check its memory and overclocking.'

/** Which engine `xeenet up` would choose. The strict one is always enough. */
export async function checkEngine(): Promise<Check> {
  const check = { name: 'engine', level: 'warn' } as const
  if (!(await hasAvx2())) return { ...check, ok: true, found: 'strict: this system shows no AVX2' }
  const releases = await builtReleases()
  for (const known of releases) {
    const tried = await tryFastEngine(known)
    if (tried.ok) continue
    const found = `strict: the fast engine failed, ${tried.reason}`
    return { ...check, ok: false, found, remedy: 'Nothing is wrong with the results; they take longer.' }
  }
  const tested =
    releases.length === 0 ? 'no kernel is here to test it with' : `${releases.length} self-tests passed`
  return { ...check, ok: true, found: `fast (revectorised): ${tested}` }
}
