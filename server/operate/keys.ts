import type { Act } from '#protocol/acts.ts'
import { listKernels } from '#store/kernels.ts'
import { signingKey } from '#store/signing-keys.ts'
import { type ActDeps, ActRefused, type KeyKeeper, type Plan } from './deps.ts'

/** A new key signs from now on; the old one says so, by its last signature. */
export const keyPlan = ({ keyId }: Extract<Act, { kind: 'rotate_key' }>): Plan => ({
  subject: keyId,
  look: async (trx, deps) => {
    keeperOf(deps)
    const [current, kernels] = [await signingKey(trx), await listKernels(trx)]
    return {
      touches: 1,
      sentence: `signs from now on, in place of ${current?.keyId ?? 'none'}, which names it its successor: ${kernels.length} kernels are signed again, what was signed before stays verifiable`,
      sample: kernels.slice(0, SAMPLE).map(({ name, version, releaseSha256 }) => ({
        ...{ id: releaseSha256, what: `${name}@${version}` },
      })),
      inverse: null, // the old private key is destroyed
    }
  },
  do: async (trx, deps) => {
    await keeperOf(deps).rotate(trx, keyId, deps.now())
    return 1
  },
})

const SAMPLE = 5

function keeperOf({ keys }: ActDeps): KeyKeeper {
  if (keys === undefined)
    throw new ActRefused('act_pointless', 'only the machine with the keys does it: xeenet admin key rotate')
  return keys
}
