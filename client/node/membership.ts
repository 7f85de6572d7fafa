// How this machine becomes a host of a server, and finds again which one it is.

import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EnrolBody, EnrolReply } from '#protocol/host.ts'
import { PROTOCOL_VERSION } from '#protocol/limits.ts'
import { fingerprint } from '#protocol/signature.ts'
import { type Endpoint, Refusal, Unreachable } from '#runtime/api.ts'
import { backoffMs } from '#runtime/backoff.ts'
import { enrolHost, misnamedKey } from '#runtime/enrol.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { askSigningKeys, followKeys } from '#runtime/keys.ts'
import type { PinnedKey } from '#runtime/release.ts'
import { Failure } from './failure.ts'
import { type Enrolled, freshHostKey, type HostKey, hostKey, loadEnrolled, saveEnrolled } from './identity.ts'

// A server that starts beside us is up within seconds; after this a person should look.
const ENROL_PATIENCE_MS = 30_000

export interface Enrolling {
  readonly endpoint: Endpoint
  readonly name: string | undefined
  /** Refuse a server whose kernels are not signed by this key. */
  readonly keyFingerprint: string | undefined
  readonly onEnrolled: (enrolled: Enrolled, fresh: boolean) => void
  readonly onOffline: (reason: string, retryMs: number) => void
  /** Enrolling without a token takes work first: so many hash iterations on average. */
  readonly onWork?: (iterations: number) => void
  readonly machine: Pick<EnrolBody, 'client' | 'engineClasses' | 'memoryMiB'>
}

export interface Membership {
  readonly enrolled: Enrolled
  readonly key: HostKey
}

/** The host that this machine is, enrolled now if it is not yet. @throws Refusal, Unreachable, Failure */
export async function ensureEnrolled(settings: Enrolling, directory: string): Promise<Membership> {
  const key = await hostKey(directory)
  const known = await loadEnrolled(directory)
  if (known !== undefined) {
    settings.onEnrolled(known, false)
    return { enrolled: known, key }
  }
  const member = await enrolPatiently(settings, directory, key)
  await saveEnrolled(directory, member.enrolled)
  settings.onEnrolled(member.enrolled, true)
  return member
}

async function enrolPatiently(settings: Enrolling, directory: string, first: HostKey): Promise<Membership> {
  const started = Date.now()
  let key = first
  for (let attempt = 1; ; attempt++) {
    try {
      return { enrolled: await enrolOnce(settings, key), key }
    } catch (error) {
      // A kill between the server's reply and our disk: the server knows the key, we do not know the token.
      if (error instanceof Refusal && error.problem.code === 'key_taken' && key === first) {
        key = await freshHostKey(directory)
        continue
      }
      const floorMs = mayPass(error)
      const retryMs = backoffMs(attempt, Math.random, floorMs ?? 0)
      if (floorMs === undefined || Date.now() - started + retryMs > ENROL_PATIENCE_MS) throw error
      settings.onOffline(error instanceof Error ? error.message : String(error), retryMs)
      await sleep(retryMs)
    }
  }
}

/** How long the server asks to wait, or undefined if another attempt is pointless. */
function mayPass(error: unknown): number | undefined {
  if (error instanceof Unreachable) return 0
  if (error instanceof Refusal && error.problem.retryable) return error.problem.retryAfterMs ?? 0
  return undefined
}

async function enrolOnce(settings: Enrolling, key: HostKey): Promise<Enrolled> {
  const { name, endpoint, keyFingerprint, machine } = settings
  const body: Omit<EnrolBody, 'work'> = {
    protocol: PROTOCOL_VERSION,
    publicKey: key.publicKey,
    ...(name === undefined ? {} : { name }),
    cores: availableParallelism(),
    ...machine,
  }
  const reply = await enrolHost(endpoint, body, settings)
  const misnamed = await misnamedKey(reply)
  if (misnamed !== undefined)
    throw new Failure(EXIT.auth, 'key_mismatch', {
      what: `the server names a key ${misnamed} that has another fingerprint`,
    })
  const pinned = await pinnedOf(reply, settings)
  if (pinned.length === 0)
    throw new Failure(EXIT.auth, 'key_mismatch', {
      what: `the server's kernels are not signed by the key ${keyFingerprint ?? '(none)'}`,
      hint: 'Compare the fingerprint with the one that the operator published.',
    })
  return { server: endpoint.server, ...reply, kernelKeys: pinned }
}

/** The server's keys; with a fingerprint that was given, the key of it, and those that it vouches for. */
async function pinnedOf({ kernelKeys }: EnrolReply, { keyFingerprint, endpoint }: Enrolling) {
  const named = kernelKeys.filter(key => keyFingerprint === undefined || key.keyId === keyFingerprint)
  if (named.length > 0) return [...named]
  const served = await askSigningKeys(endpoint)
  const trusted: PinnedKey[] = []
  for (const { keyId, publicKey } of served)
    if (keyId === keyFingerprint && (await fingerprint(publicKey)) === keyId)
      trusted.push({ keyId, publicKey })
  return [...(await followKeys(trusted, served))]
}
