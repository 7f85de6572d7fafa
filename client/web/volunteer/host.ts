import type { EnrolBody, EnrolReply } from '#protocol/host.ts'
import { PROTOCOL_VERSION } from '#protocol/limits.ts'
import { generateEd25519 } from '#protocol/signature.ts'
import type { Sha256 } from '#protocol/units.ts'
import { type Endpoint, Refusal } from '#runtime/api.ts'
import { enrolHost, misnamedKey } from '#runtime/enrol.ts'
import { knownRelease, readyKernel } from '#runtime/known-release.ts'
import type { RunOutcome, RunTask } from '#runtime/run.ts'
import { freely, judgeEngine, testAgain } from '#runtime/self-test.ts'
import { type Fitness, type Ports, type Volunteer, volunteer } from '#runtime/volunteer.ts'
import type { WebNative } from '../volunteer-native/native.ts'
import { browserCache } from './file-cache.ts'
import type { Pool } from './pool.ts'
import type { BrowserStore, HostKey } from './store.ts'

export const endpoint: Endpoint = { server: self.location.origin, fetch: (...asked) => fetch(...asked) }

// Browsers round it, and tell at most 8 GiB; half of it may be a tab's.
const MEMORY_MIB_DEFAULT = 2048

/** What a host says of its machine. @param cores that it lends */
export function machineFacts(): Pick<EnrolBody, 'client' | 'memoryMiB'> & { engineClasses: ['wasm'] } {
  const told =
    'deviceMemory' in navigator && typeof navigator.deviceMemory === 'number' ? navigator.deviceMemory : 0
  const memoryMiB = told > 0 ? Math.max(256, told * 512) : MEMORY_MIB_DEFAULT
  const [browser = 'browser'] = /(Firefox|Edg|Chrome|Version)\/\d+/.exec(navigator.userAgent) ?? []
  return { client: `web ${browser.replace('Version', 'Safari')}`, engineClasses: ['wasm'], memoryMiB }
}

/** Finished results that a browser keeps for a server that is away, before it computes no more: its disk is not ours. */
const UNSENT_MAX = 3

export interface Membership {
  readonly enrolled: EnrolReply
  readonly key: HostKey
}

/** The host that this browser profile is, enrolled now if it is not yet. @throws Refusal, Unreachable, Error */
export async function membership(store: BrowserStore): Promise<Membership> {
  const known = await store.enrolled()
  const key = await store.key()
  if (known !== undefined && key !== undefined) return { enrolled: known, key }
  try {
    return await enrolAs(store, key ?? (await freshKey(store)))
  } catch (error) {
    // The tab was closed between the server's reply and our store: the server knows the key, we do not know the token.
    if (!(error instanceof Refusal && error.problem.code === 'key_taken')) throw error
    return enrolAs(store, await freshKey(store))
  }
}

/** Kept before it is ever used. */
async function freshKey(store: BrowserStore): Promise<HostKey> {
  const key = await generateEd25519()
  await store.saveKey(key)
  return key
}

async function enrolAs(store: BrowserStore, key: HostKey): Promise<Membership> {
  const cores = navigator.hardwareConcurrency
  const body = { protocol: PROTOCOL_VERSION, publicKey: key.publicKey, cores, ...machineFacts() } as const
  const enrolled = await enrolHost(endpoint, body)
  const misnamed = await misnamedKey(enrolled)
  if (misnamed !== undefined)
    throw new Error(`The server names a key ${misnamed} that has another fingerprint.`)
  await store.saveEnrolled(enrolled)
  return { enrolled, key }
}

interface Hosting {
  readonly store: BrowserStore
  readonly pool: Pool
  readonly native: WebNative
  readonly member: Membership
  readonly cores: number
  /** Share of each core's time, now. */
  readonly share: () => number
  readonly tell: Ports['tell']
}

/** Starts to volunteer: what an earlier tab left goes on where its checkpoint is. */
export function startHost({ store, pool, native, member, cores, share, tell }: Hosting): Volunteer {
  const { enrolled, key } = member
  const compute = (task: RunTask): Promise<RunOutcome> =>
    pool.run(
      task,
      freely(() => performance.now()),
    )
  const proofs = new Map<Sha256, Promise<Fitness>>()
  return volunteer(
    {
      endpoint,
      identity: { ...enrolled, privateKey: key.privateKey },
      keys: enrolled.kernelKeys,
      store,
      cache: browserCache,
      compute: (run, control, signal) =>
        run.lease.engineClass === 'wasm'
          ? pool.run(run.task, control, signal)
          : native.compute(run, control, signal),
      prove: kernel => {
        const known = proofs.get(kernel.moduleSha256)
        if (known !== undefined) return known
        const proof = judgeEngine(kernel, compute).then(async (judged): Promise<Fitness> => {
          if (!judged.ok) return { ok: false, reason: judged.reason, again: false }
          await store.saveRelease(kernel.releaseSha256)
          return { ok: true }
        })
        proofs.set(kernel.moduleSha256, proof)
        proof.catch(() => proofs.delete(kernel.moduleSha256)) // a full disk is no answer: ask again next time
        return proof
      },
      selfTest: async () => {
        const last = await store.release()
        const bytes = last === undefined ? undefined : await browserCache.get(last)
        const kernel = bytes === undefined ? undefined : await readyKernel(await knownRelease(bytes))
        return testAgain(kernel, compute)
      },
      machine: {
        ...machineFacts(),
        get engineClasses() {
          return [...native.classes(), 'wasm' as const]
        },
        get engineRates() {
          return native.rates()
        },
      },
      now: () => Date.now(),
      rng: Math.random,
      sleep,
      tell,
      share,
    },
    { cores, count: null, endWithoutWork: false, unsentMax: UNSENT_MAX },
  )
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
    if (signal?.aborted) resolve()
  })
}
