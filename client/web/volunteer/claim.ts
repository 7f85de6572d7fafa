import { ClaimReply } from '#protocol/people.ts'
import { askAsHost, Refusal } from '#runtime/api.ts'
import { endpoint } from './host.ts'
import { openStore } from './store.ts'

// The volunteer may call under a higher number between ours and its way to the server.
const ATTEMPTS_MAX = 3

/**
 * Gives this browser's host, its credit and its history to the account that is logged in here. The host agrees by signing the call.
 * @param proof headers that show that one of our pages asks for it
 * @throws Refusal, Unreachable, Error
 */
export async function claimForAccount(proof: Readonly<Record<string, string>>): Promise<ClaimReply> {
  const store = await openStore()
  const [enrolled, key] = [await store.enrolled(), await store.key()]
  if (enrolled === undefined || key === undefined)
    throw new Error('This browser is no host yet: press Start first.')
  const path = `/api/v1/hosts/${enrolled.hostId}/claim`
  for (let attempt = 1; ; attempt++) {
    const call = await store.nextCall(Date.now())
    const asked = { schema: ClaimReply, method: 'POST', path, body: '{}', headers: proof, call } as const
    try {
      const { reply } = await askAsHost(endpoint, { ...enrolled, privateKey: key.privateKey }, asked)
      await store.saveEnrolled({ ...enrolled, userId: reply.userId })
      return reply
    } catch (error) {
      const passed = error instanceof Refusal && error.problem.code === 'call_replayed'
      if (!passed || attempt === ATTEMPTS_MAX) throw error
    }
  }
}
