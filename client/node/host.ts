// One volunteering machine: enrolment, then the agent with this machine's disk, threads, clock and signals.

import { availableParallelism, getPriority, setPriority, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { EnrolBody } from '#protocol/host.ts'
import { PROTOCOL_VERSION } from '#protocol/limits.ts'
import { type AgentOptions, MACHINE_REASONS, type MachineReason } from '#runtime/agent-state.ts'
import { type Endpoint, Refusal, Unreachable } from '#runtime/api.ts'
import { backoffMs } from '#runtime/backoff.ts'
import type { FileCache } from '#runtime/cache.ts'
import { enrolHost, misnamedKey } from '#runtime/enrol.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { type KnownRelease, readyKernel } from '#runtime/known-release.ts'
import { type Compute, type Ports, type Volunteer, volunteer } from '#runtime/volunteer.ts'
import { coresOf } from './cores.ts'
import { openDiskCache } from './disk-cache.ts'
import { type Engine, type EngineChoice, openEngine } from './engine.ts'
import { type EngineMemory, openEngineMemory } from './engine-memory.ts'
import { Failure, selfTestFailure } from './failure.ts'
import {
  type Enrolled,
  freshHostKey,
  type HostKey,
  hostDirectory,
  hostKey,
  loadEnrolled,
  saveEnrolled,
} from './identity.ts'
import { releaseAtHand } from './known-kernels.ts'
import { thisMachine } from './machine.ts'
import { CLIENT_VERSION } from './options.ts'
import { computeIn, openPool, type Pool } from './pool.ts'
import { type Preset, pausesFor } from './presets.ts'
import { retest } from './retest.ts'
import { openHostStore } from './state-dir.ts'

export interface HostSettings {
  readonly endpoint: Endpoint
  readonly stateDir: string
  readonly cacheDir: string
  readonly name: string | undefined
  readonly agent: AgentOptions
  readonly preset: Preset
  readonly engine: EngineChoice
  /** Share of each core's time, above 0 and at most 1. */
  readonly share: number
  readonly checkpointMs: number | undefined
  readonly patienceMs: number | undefined
  /** Refuse a server whose kernels are not signed by this key. */
  readonly keyFingerprint: string | undefined
  readonly tell: Ports['tell']
  readonly onEngine: (engine: Pick<Engine, 'kind' | 'why'>) => void
  readonly onEnrolled: (enrolled: Enrolled, fresh: boolean) => void
  readonly onOffline: (reason: string, retryMs: number) => void
  /** Enrolling without a token takes work first: so many hash iterations on average. */
  readonly onWork?: (iterations: number) => void
  /** In place of this machine's own: how a test plays one that is broken. */
  readonly selfTest?: Ports['selfTest']
  /** Wraps the computation: how a test or a demonstration makes a host that lies. */
  readonly wrapCompute?: ((honest: Compute) => Compute) | undefined
}

export interface Host extends Volunteer {
  /** Why this process ended although another one, with the strict engine, can go on; undefined if it did not. */
  engineFailure(): string | undefined
  /** Lends as this preset says from now on; no run is lost. Niceness only ever grows. */
  lend(preset: Preset): void
  close(): Promise<void>
}

const MIB = 1024 ** 2
// A server that starts beside us is up within seconds; after this a person should look.
const ENROL_PATIENCE_MS = 30_000
const SIGNALS_MS = 5_000

const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  sleepFor(ms, undefined, signal === undefined ? {} : { signal }).catch(error => {
    if (!signal?.aborted) throw error
  })

/**
 * Tests this machine, enrols it if it is not yet, and starts to volunteer.
 * @throws Failure (exit code 8 after a failed self-test), Refusal, Unreachable
 */
export async function startHost(settings: HostSettings): Promise<Host> {
  const cache = await openDiskCache(join(settings.cacheDir, 'files'))
  const memory = await openEngineMemory(settings.stateDir)
  const known = await releaseAtHand(cache, memory.read().lastRelease)
  const engine = await openEngine({ choice: settings.engine, memory, known })
  settings.onEngine(engine)
  const pool = openPool(Math.max(settings.agent.cores, availableParallelism())) // `lend` may want more later
  try {
    if (known !== undefined) await testMachine(engine, known, pool)
    return await startVolunteer(settings, { cache, memory, engine, pool })
  } catch (error) {
    await pool.close()
    throw error
  }
}

/** A machine that computes something else than all others must not be given work. */
async function testMachine(engine: Engine, known: KnownRelease, pool: Pool): Promise<void> {
  const fitness = await engine.prove(await readyKernel(known), computeIn(pool))
  if (!fitness.ok) throw selfTestFailure(fitness.reason, fitness.again)
}

interface Parts {
  readonly cache: FileCache
  readonly memory: EngineMemory
  readonly engine: Engine
  readonly pool: Pool
}

async function startVolunteer(settings: HostSettings, { cache, memory, engine, pool }: Parts): Promise<Host> {
  const directory = await hostDirectory(settings.stateDir, settings.endpoint.server)
  const client = `${CLIENT_VERSION} node/${process.versions.node} ${engine.kind}`
  const { enrolled, key } = await ensureEnrolled({ ...settings, client }, directory)
  let engineFailure: string | undefined
  beNicer(settings.preset)
  const honest: Compute = ({ task }, control, signal) => pool.run(task, control, signal)
  const running = volunteer(
    {
      endpoint: { server: settings.endpoint.server, fetch: settings.endpoint.fetch },
      identity: { ...enrolled, privateKey: key.privateKey },
      keys: enrolled.kernelKeys,
      store: await openHostStore(directory),
      cache,
      compute: settings.wrapCompute?.(honest) ?? honest,
      prove: async kernel => {
        const fitness = await engine.prove(kernel, computeIn(pool))
        if (!fitness.ok && fitness.again) engineFailure = fitness.reason
        return fitness
      },
      selfTest: settings.selfTest ?? (() => retest(cache, memory, pool)),
      machine: machineFacts(client),
      now: () => Date.now(),
      rng: Math.random,
      sleep,
      tell: settings.tell,
      share: () => settings.share,
      ...(settings.checkpointMs === undefined ? {} : { checkpointMs: settings.checkpointMs }),
      ...(settings.patienceMs === undefined ? {} : { patienceMs: settings.patienceMs }),
    },
    settings.agent,
  )
  const watched = watchSignals(settings.preset, running)
  return {
    ...running,
    lend: preset => {
      beNicer(preset)
      const cores = coresOf(preset.cores, availableParallelism())
      if (cores !== undefined) running.send({ type: 'lend', cores })
      watched.follow(preset)
    },
    engineFailure: () => engineFailure,
    close: async () => {
      watched.stop()
      await pool.close()
    },
  }
}

/** @param client program, Node and engine: shown to people, and looked at by nobody else */
const machineFacts = (client: string) => ({
  client,
  engineClasses: ['wasm'] as const,
  memoryMiB: Math.max(64, Math.floor(totalmem() / MIB)),
})

interface Membership {
  readonly enrolled: Enrolled
  readonly key: HostKey
}

type EnrolSettings = HostSettings & { readonly client: string }

async function ensureEnrolled(settings: EnrolSettings, directory: string): Promise<Membership> {
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

async function enrolPatiently(
  settings: EnrolSettings,
  directory: string,
  first: HostKey,
): Promise<Membership> {
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

async function enrolOnce(settings: EnrolSettings, key: HostKey): Promise<Enrolled> {
  const { name, endpoint, keyFingerprint, client } = settings
  const body: Omit<EnrolBody, 'work'> = {
    protocol: PROTOCOL_VERSION,
    publicKey: key.publicKey,
    ...(name === undefined ? {} : { name }),
    cores: availableParallelism(),
    ...machineFacts(client),
    engineClasses: ['wasm'],
  }
  const reply = await enrolHost(endpoint, body, settings)
  const misnamed = await misnamedKey(reply)
  if (misnamed !== undefined)
    throw new Failure(EXIT.auth, 'key_mismatch', {
      what: `the server names a key ${misnamed} that has another fingerprint`,
    })
  const pinned = reply.kernelKeys.filter(k => keyFingerprint === undefined || k.keyId === keyFingerprint)
  if (pinned.length === 0)
    throw new Failure(EXIT.auth, 'key_mismatch', {
      what: `the server's kernels are not signed by the key ${keyFingerprint ?? '(none)'}`,
      hint: 'Compare the fingerprint with the one that the operator published.',
    })
  return { server: endpoint.server, ...reply, kernelKeys: pinned }
}

/** Only ever nicer: going back needs rights that a volunteer does not have. */
function beNicer({ niceness }: Preset): void {
  if (niceness > getPriority()) setPriority(niceness)
}

/** Turns what the machine says into pauses, every few seconds. */
function watchSignals(first: Preset, host: Volunteer): { follow(preset: Preset): void; stop(): void } {
  const machine = thisMachine()
  let preset = first
  let before: readonly MachineReason[] = []
  async function look(): Promise<void> {
    const reasons = pausesFor(preset, await machine.signals(), before)
    for (const reason of MACHINE_REASONS) {
      if (reasons.includes(reason) === before.includes(reason)) continue
      host.send({ type: reasons.includes(reason) ? 'pause' : 'resume', reason })
    }
    before = reasons
  }
  const timer = setInterval(() => void look(), SIGNALS_MS)
  return {
    follow: next => {
      preset = next
      void look()
    },
    stop: () => clearInterval(timer),
  }
}
