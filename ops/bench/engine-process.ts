// One engine of V8: answers what `Request` asks, one question at a time.

import { readFile } from 'node:fs/promises'
import { sha256, utf8 } from '#protocol/canonical.ts'
import { jobText } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS, UPDATES_MAX } from '#protocol/limits.ts'
import { encodeCheckpoint } from '#runtime/checkpoint.ts'
import { globalBytes, readGlobals } from '#runtime/globals.ts'
import { type KernelOutput, parseOutput } from '#runtime/output.ts'
import { readRelease } from '#runtime/release.ts'
import { beginRun, memoryOf, openSandbox, query, type Sandbox, stepOnce } from '#runtime/sandbox.ts'
import { tarFile } from '#runtime/tar.ts'
import { openProbe, type Probe } from '../../test/assembly/probe.ts'
import { cpuMs } from './clock.ts'
import type { Answer, GemmShape, Request, Training } from './engines.ts'
import { dataOf } from './training-data.ts'

// Long enough for the clock, short enough that neighbours disturb all engines alike.
const MEASURE_MS = 80
const PROBE_ROUNDS = 500_000
const ORDERS = { NN: 0, NT: 1, TN: 2 } as const

interface Running {
  readonly key: string
  readonly sandbox: Sandbox
  readonly fuelPerUpdate: number
  readonly flops: number
  readonly parameters: number
}

let probe: Promise<Probe> | undefined
let running: Running | undefined
const operands = new Map<string, number[]>()

process.on('message', (request: Request) => {
  answer(request).then(
    value => process.send?.(value),
    error => {
      console.error(error)
      process.exit(1)
    },
  )
})

async function answer(request: Request): Promise<Answer> {
  switch (request.ask) {
    case 'probe':
      return { value: peak(await opened()) }
    case 'gemm':
      return { value: gemm(await opened(), request.shape) }
    case 'update':
      return update(await warm(request.training), request.updates)
    case 'state':
      return state((await warm(request.training)).sandbox)
    case 'start':
      return start(request.training)
    case 'checkpoint':
      return checkpoint((await warm(request.training)).sandbox)
    default:
      throw new Error(`unknown request ${JSON.stringify(request satisfies never)}`)
  }
}

function opened(): Promise<Probe> {
  probe ??= openProbe()
  return probe
}

/** The greater of twelve chains of one vector and twelve of two: registers differ between the engines. */
const peak = (library: Probe): number => Math.max(peakOf(library, 12), peakOf(library, 24))

function peakOf(library: Probe, chains: 12 | 24): number {
  const run = chains === 12 ? library.peak : library.peakPaired
  const at = scratch(library)
  run(PROBE_ROUNDS, at)
  return (8 * chains * PROBE_ROUNDS * repeated(() => run(PROBE_ROUNDS, at))) / 1e9
}

const scratch = (library: Probe): number => operandsOf(library, 'probe', [96])[0] ?? 0

function gemm(library: Probe, { order, m, n, k }: GemmShape): number {
  const [a = 0, b = 0, c = 0] = operandsOf(library, `${order} ${m} ${n} ${k}`, [m * k, k * n, m * n])
  const [strideA, strideB] = [order === 'TN' ? m : k, order === 'NT' ? k : n]
  const once = (): void => library.gemm(ORDERS[order], 0, m, n, k, a, strideA, b, strideB, c, n, 0)
  once()
  return (2 * m * n * k * repeated(once)) / 1e9
}

/** The memory of earlier shapes is used again: the probe's allocator never frees. */
function operandsOf(library: Probe, key: string, sizes: readonly number[]): number[] {
  const known = operands.get(key)
  if (known !== undefined) return known
  const given = sizes.map(count =>
    library.give(Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 13) / 13 - 0.5)),
  )
  operands.set(key, given)
  return given
}

/** Calls a second, over at least MEASURE_MS. */
function repeated(call: () => void): number {
  const from = cpuMs()
  let calls = 0
  let elapsed = 0
  do {
    call()
    calls += 1
    elapsed = cpuMs() - from
  } while (elapsed < MEASURE_MS)
  return (1000 * calls) / elapsed
}

const WARM_UPDATES = 2

/** A run after a few updates, so that the price of one is known. One at a time: it may take 256 MiB. */
async function warm(training: Training): Promise<Running> {
  const key = JSON.stringify(training)
  if (running?.key === key) return running
  running = undefined
  const sandbox = await begun(training)
  const first = stepUntil(sandbox, 1)
  const fuel = sandbox.fuelLeft
  const before = first.counters.updates ?? 0
  const { counters } = stepUntil(sandbox, before + WARM_UPDATES)
  const updates = (counters.updates ?? 0) - before
  running = {
    key,
    sandbox,
    fuelPerUpdate: Number(fuel - sandbox.fuelLeft) / updates,
    flops: (counters.flops ?? 0) / (counters.updates ?? 1),
    parameters: counters.parameters ?? 0,
  }
  return running
}

/** Instance, inputs and `xee_init` of a run that does not end. */
async function begun({ release, recipe }: Training): Promise<Sandbox> {
  const tar = new Uint8Array(await readFile(release))
  const content = await readRelease(tar, await sha256(tarFile(tar, 'module.wasm') ?? tar))
  if (!content.ok) throw new Error(content.reason)
  const { manifest } = content
  const canonical = canonicalRecipe(manifest, recipe)
  if (!canonical.ok) throw new Error(canonical.reason)
  const job = {
    kernel: `${manifest.name}@${manifest.version}`,
    task: 'train',
    recipe: canonical.recipe,
    seed: 1,
    limit: { updates: Math.min(UPDATES_MAX, manifest.bounds.updatesMax) },
    marks: MARKS,
  } as const
  const module = await WebAssembly.compile(new Uint8Array(content.module))
  const sandbox = await openSandbox(module, BigInt(Number.MAX_SAFE_INTEGER))
  beginRun(sandbox, [utf8(jobText(job)), ...dataOf(manifest)])
  return sandbox
}

function stepUntil(sandbox: Sandbox, updates: number): KernelOutput {
  for (;;) {
    if (stepOnce(sandbox) !== 0) throw new Error('a run ended before it was measured')
    const parsed = parseOutput(query(sandbox, 'output'))
    if (!parsed.ok) throw new Error(parsed.reason)
    if ((parsed.output.counters.updates ?? 0) >= updates) return parsed.output
  }
}

/** Slices do not end where updates do: time is taken over slices, and updates are counted by fuel. */
function update({ sandbox, fuelPerUpdate, flops, parameters }: Running, updates = 1): Answer {
  const [from, fuel] = [cpuMs(), sandbox.fuelLeft]
  let used = 0
  let elapsed = 0
  do {
    if (stepOnce(sandbox) !== 0) throw new Error('a run ended while it was measured')
    used = Number(fuel - sandbox.fuelLeft)
    elapsed = cpuMs() - from
  } while (used < updates * fuelPerUpdate || elapsed < MEASURE_MS)
  return { value: (elapsed * fuelPerUpdate) / used, flops, parameters }
}

/** The share of exact zeros in the kernel's state, and the count of denormal f32 in `bytes`. */
function state(sandbox: Sandbox): Answer {
  const bytes = query(sandbox, 'state')
  const bits = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  let [zeros, denormals] = [0, 0]
  for (const word of bits) {
    if (word === 0) zeros += 1
    // Small integers look like denormal numbers: counters, of which a state has a few.
    else if ((word & 0x7f80_0000) === 0 && (word & 0x007f_ffff) > SMALL_INTEGER) denormals += 1
  }
  return { value: zeros / bits.length, bytes: denormals }
}

const SMALL_INTEGER = 0xffff

async function start(training: Training): Promise<Answer> {
  const from = cpuMs()
  stepUntil(await begun(training), 1)
  return { value: cpuMs() - from }
}

async function checkpoint(sandbox: Sandbox): Promise<Answer> {
  const from = cpuMs()
  const { length } = await encodeCheckpoint({
    runKey: await sha256(new Uint8Array()),
    step: 1,
    fuelLeft: Number(sandbox.fuelLeft),
    globals: globalBytes(readGlobals(sandbox.globals)),
    trace: [],
    cpuMs: 0,
    memory: memoryOf(sandbox),
  })
  return { value: cpuMs() - from, bytes: length }
}
