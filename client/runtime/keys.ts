import { SigningKeyList } from '#protocol/kernel.ts'
import { ask, type Endpoint } from './api.ts'
import { acceptSuccessor, type PinnedKey } from './release.ts'

/** GET /signing-keys of a server: whoever asks believes nothing of it but what pinned keys signed. @throws Refusal, Unreachable */
export const askSigningKeys = async (endpoint: Endpoint): Promise<SigningKeyList['keys']> =>
  (await ask(endpoint, SigningKeyList, { method: 'GET', path: '/api/v1/signing-keys' })).keys

/** The pinned keys and all that follow them, each by the word of the one before. What nobody vouches for is left out. */
export async function followKeys(
  pinned: readonly PinnedKey[],
  served: SigningKeyList['keys'],
): Promise<readonly PinnedKey[]> {
  let keys = pinned
  // As served they are in order; in another order some would need another round.
  for (let known = -1; known !== keys.length; ) {
    known = keys.length
    for (const { successor } of served) {
      if (successor === null) continue
      const judged = await acceptSuccessor(keys, successor)
      if (judged.ok) keys = judged.keys
    }
  }
  return keys
}
