// One volunteering machine: enrolment, then the agent with this machine's disk, threads, clock and signals.

import { availableParallelism, getPriority, setPriority, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { type AgentOptions, MACHINE_REASONS, type MachineReason } from '#runtime/agent-state.ts'
import type { FileCache } from '#runtime/cache.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { type KnownRelease, readyKernel } from '#runtime/known-release.ts'
import { type Compute, type Ports, type Volunteer, volunteer } from '#runtime/volunteer.ts'
import { coresOf } from './cores.ts'
import { openDiskCache } from './disk-cache.ts'
import { type Engine, type EngineChoice, openEngine } from './engine.ts'
import { type EngineMemory, openEngineMemory } from './engine-memory.ts'
import { Failure, selfTestFailure } from './failure.ts'
import { hostDirectory } from './identity.ts'
import { releaseAtHand } from './known-kernels.ts'
import { thisMachine } from './machine.ts'
import { type Enrolling, ensureEnrolled } from './membership.ts'
import { machineOffer, type NativeNews, nativeCompute } from './native/compute.ts'
import { type EngineWish, type FoundEngines, findEngines } from './native/offers.ts'
import { CLIENT_VERSION } from './options.ts'
import { computeIn, openPool, type Pool } from './pool.ts'
import { type Preset, pausesFor } from './presets.ts'
import { retest } from './retest.ts'
import { openHostStore } from './state-dir.ts'

export interface HostSettings extends Omit<Enrolling, 'machine'> {
  readonly stateDir: string
  readonly cacheDir: string
  readonly agent: AgentOptions
  readonly preset: Preset
  readonly engine: EngineChoice
  /** Share of each core's time, above 0 and at most 1. */
  readonly share: number
  readonly checkpointMs: number | undefined
  readonly patienceMs: number | undefined
  readonly tell: Ports['tell']
  readonly onEngine: (engine: Pick<Engine, 'kind' | 'why'>) => void
  /** Which engine classes to offer, of those that this machine has. */
  readonly engines: EngineWish
  readonly onNative: (found: FoundEngines) => void
  readonly tellNative: (news: NativeNews) => void
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
  const native = await findEngines(settings.stateDir, settings.engines)
  settings.onNative(native)
  if (!native.wasm && native.offers.length === 0) throw noEngine(native)
  const pool = openPool(Math.max(settings.agent.cores, availableParallelism())) // `lend` may want more later
  try {
    if (known !== undefined) await testMachine(engine, known, pool)
    return await startVolunteer(settings, { cache, memory, engine, native, pool })
  } catch (error) {
    await pool.close()
    throw error
  }
}

const noEngine = ({ missing }: FoundEngines): Failure =>
  new Failure(EXIT.failure, 'no_engine', {
    what: `none of the engines that --engines names can be used here: ${missing.map(({ engine, reason }) => `${engine}, ${reason}`).join('; ')}`,
    hint: 'xeenet doctor says what each of them lacks; without --engines all that pass are offered.',
  })

/** A machine that computes something else than all others must not be given work. */
async function testMachine(engine: Engine, known: KnownRelease, pool: Pool): Promise<void> {
  const fitness = await engine.prove(await readyKernel(known), computeIn(pool))
  if (!fitness.ok) throw selfTestFailure(fitness.reason, fitness.again)
}

interface Parts {
  readonly cache: FileCache
  readonly memory: EngineMemory
  readonly engine: Engine
  readonly native: FoundEngines
  readonly pool: Pool
}

async function startVolunteer(settings: HostSettings, parts: Parts): Promise<Host> {
  const { cache, memory, engine, native, pool } = parts
  const directory = await hostDirectory(settings.stateDir, settings.endpoint.server)
  const client = `${CLIENT_VERSION} node/${process.versions.node} ${engine.kind}`
  const machine = { client, ...machineOffer(native), memoryMiB: Math.max(64, Math.floor(totalmem() / MIB)) }
  const { engineRates: _, ...facts } = machine
  const { enrolled, key } = await ensureEnrolled({ ...settings, machine: facts }, directory)
  let engineFailure: string | undefined
  beNicer(settings.preset)
  const byKernel: Compute = ({ task }, control, signal) => pool.run(task, control, signal)
  const honest = nativeCompute(byKernel, native, settings.tellNative)
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
      machine,
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
