// Drives a raw kernel module, without the client: writes the slots, steps until it is over, reads what it says. Fuel is told
// as an admitted module would: by its own counter if the module is metered, by a given price per step if not.

import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TrainingRecipe } from './training.ts'

export interface KernelExports {
  readonly memory: WebAssembly.Memory
  readonly _initialize?: () => void
  readonly xee_abi: () => number
  readonly xee_alloc: (slot: number, bytes: number) => number
  readonly xee_init: () => number
  readonly xee_step: (fuelLeft: bigint) => number
  readonly xee_output: () => number
  readonly xee_output_len: () => number
  readonly xee_state: () => number
  readonly xee_state_len: () => number
  readonly xee_artifact: () => number
  readonly xee_artifact_len: () => number
  readonly xee_fuel?: WebAssembly.Global<'i64'>
  readonly xee_phase?: WebAssembly.Global<'i32'>
}

export interface KernelJob {
  readonly task?: 'train' | 'evaluate'
  readonly recipe?: Partial<TrainingRecipe>
  readonly seed?: number
  readonly limit: { readonly fuel: number } | { readonly updates: number }
}

export interface Inputs {
  readonly train?: Uint8Array
  readonly val: Uint8Array
  readonly weights?: Uint8Array
}

export interface Said {
  readonly status: string
  readonly reason?: string
  readonly metric: { readonly name: string; readonly value: number } | null
  readonly curve: readonly { update: number; fuel: number; train: number | null; val: number | null }[]
  readonly counters: Readonly<
    Record<'updates' | 'updatesPlanned' | 'tokens' | 'parameters' | 'flops', number>
  > & { readonly [extra: string]: number | undefined }
  readonly train: number | null
  readonly progress: number
}

export interface Driven {
  readonly said: Said
  readonly steps: number
  readonly fuelUsed: number
  readonly artifact: Uint8Array
  readonly state: Uint8Array
  readonly pages: number
}

export const RECIPE: TrainingRecipe = {
  vocabulary: 'dense',
  depth: 2,
  width: 32,
  heads: 2,
  context: 32,
  batch: 8,
  mlp_ratio: 4,
  activation: 'gelu',
  norm: 'layer',
  position: 'learned',
  windows: 'L',
  qk_norm: 'off',
  softcap: 0,
  head: 'tied',
  value_embeddings: 'off',
  optimizer: 'adamw',
  lr: 3e-3,
  beta2: 0.99,
  momentum: 0.95,
  weight_decay: 0.1,
  warmup: 10,
  schedule: 'cosine',
  final: 0.1,
  decay: 0.2,
  clip: 1,
}

const ROOT = join(import.meta.dirname, '../..')

/**
 * The unmetered module of `assembly/<folder>/index.ts`. Kept in build/ under the hash of all sources and the compiler's
 * version, since every test file wants it and the compiler takes a second.
 */
export async function moduleOf(folder: string): Promise<Uint8Array> {
  const hash = createHash('sha256').update(folder)
  for (const file of [
    'package-lock.json',
    'ops/kernels/compile.ts',
    ...globSync('assembly/**/*.ts', { cwd: ROOT }).sort(),
  ])
    hash.update(file).update(readFileSync(join(ROOT, file)))
  const path = join(ROOT, 'build/test', `${folder}-${hash.digest('hex').slice(0, 32)}.wasm`)
  if (!existsSync(path)) {
    const { compileAssembly } = await import('#ops/kernels/compile.ts')
    const module = await compileAssembly(`assembly/${folder}/index.ts`, 4096)
    mkdirSync(join(ROOT, 'build/test'), { recursive: true })
    writeFileSync(`${path}.${process.pid}`, module)
    renameSync(`${path}.${process.pid}`, path)
  }
  return new Uint8Array(readFileSync(path))
}

/** An instance with its exports, untyped where WebAssembly is. */
export async function instantiate<Exports>(bytes: Uint8Array): Promise<Exports> {
  const instance = new WebAssembly.Instance(await WebAssembly.compile(new Uint8Array(bytes)), {})
  return instance.exports as Exports
}

export const jobText = ({ task = 'train', recipe = {}, seed = 1, limit }: KernelJob): string =>
  JSON.stringify({ kernel: 'charlm@1', task, recipe: { ...RECIPE, ...recipe }, seed, limit, marks: 8 })

/** Writes the slots and calls `xee_init`; its code. `text` replaces the job's own text. */
export function begin(kernel: KernelExports, job: KernelJob, inputs: Inputs, text = jobText(job)): number {
  if (kernel.xee_phase) kernel.xee_phase.value = 1
  if (kernel.xee_fuel) kernel.xee_fuel.value = BigInt(Number.MAX_SAFE_INTEGER)
  kernel._initialize?.()
  const slots = [new TextEncoder().encode(text), inputs.train, inputs.val, inputs.weights]
  slots.forEach((bytes, slot) => {
    if (bytes === undefined) return
    const start = kernel.xee_alloc(slot, bytes.length)
    if (start === 0) throw new Error(`no room for slot ${slot}`)
    new Uint8Array(kernel.memory.buffer, start, bytes.length).set(bytes)
  })
  const code = kernel.xee_init()
  if (kernel.xee_phase) kernel.xee_phase.value = 0
  return code
}

/** Steps until the kernel is over. `pricePerStep` is the fuel of a step of an unmetered module; `between` runs after each step. */
export function drive(
  kernel: KernelExports,
  job: KernelJob,
  { pricePerStep = 1n, between = () => {} }: { pricePerStep?: bigint; between?: (step: number) => void } = {},
): Driven {
  const budget = BigInt('fuel' in job.limit ? job.limit.fuel : Number.MAX_SAFE_INTEGER)
  let left = budget
  let steps = 0
  for (let code = 0; code === 0; steps++) {
    if (kernel.xee_fuel) kernel.xee_fuel.value = left
    code = kernel.xee_step(left)
    if (code < 0) throw new Error(`xee_step says ${code}`)
    left = kernel.xee_fuel ? kernel.xee_fuel.value : left - pricePerStep
    between(steps)
  }
  return {
    said: say(kernel),
    steps,
    fuelUsed: Number(budget - left),
    artifact: slice(kernel, kernel.xee_artifact(), kernel.xee_artifact_len()),
    state: slice(kernel, kernel.xee_state(), kernel.xee_state_len()),
    pages: kernel.memory.buffer.byteLength / 65_536,
  }
}

/** A whole run of a fresh instance. */
export async function run(bytes: Uint8Array, job: KernelJob, inputs: Inputs): Promise<Driven> {
  const kernel = await instantiate<KernelExports>(bytes)
  const code = begin(kernel, job, inputs)
  if (code !== 0) throw new Error(`xee_init says ${code}: ${say(kernel).reason}`)
  return drive(kernel, job)
}

/** The kernel's output, its hexadecimal numbers read. */
export function say(kernel: KernelExports): Said {
  const text = new TextDecoder().decode(slice(kernel, kernel.xee_output(), kernel.xee_output_len()))
  return JSON.parse(text, (_, value) =>
    typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)
      ? Buffer.from(value, 'hex').readDoubleBE(0)
      : value,
  )
}

function slice(kernel: KernelExports, start: number, length: number): Uint8Array {
  return new Uint8Array(kernel.memory.buffer, start, length).slice()
}

const SYLLABLES = [
  'the ',
  'of ',
  'and ',
  'to ',
  'in ',
  'war',
  'peace',
  'ing ',
  'na',
  'tion',
  's, ',
  'con',
  'gress ',
  '. ',
  '\n',
]

/** Text with something to learn in it: words from syllables, the same for the same length. */
export function sampleText(bytes: number, seed = 1): Uint8Array {
  let state = seed
  const pieces: string[] = []
  for (let length = 0; length < bytes; length += pieces.at(-1)!.length) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    pieces.push(SYLLABLES[(state >>> 16) % SYLLABLES.length]!)
  }
  return new TextEncoder().encode(pieces.join('')).slice(0, bytes)
}
