// A kernel small enough to read: it stirs its data for 40 updates and says where it is. `mode` makes it misbehave.

import { main } from 'assemblyscript/asc'
import { admit } from '#kernels/admit.ts'
import { sha256 } from '#protocol/canonical.ts'
import { jobText, type Limit, runKeyOf } from '#protocol/job.ts'
import type { KernelManifest, SelfTest } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import {
  type Order,
  type RunControl,
  type RunOutcome,
  type RunTask,
  runJob,
  type Slice,
} from '#runtime/run.ts'
import { runSelfTest } from '#runtime/self-test.ts'

export const TOY_UPDATES = 40
/** More than 40 updates need. */
export const TOY_FUEL = 40_000_000

export const MODES = {
  normal: 0,
  diverge: 1,
  trapHalfway: 2,
  loopForever: 3,
  brokenOutput: 4,
  refuse: 5,
  infeasible: 6,
  hugeOutput: 7,
  failSilently: 8,
  foreignPointer: 9,
  metricMissing: 10,
} as const

const SOURCE = `
const UPDATES: i32 = ${TOY_UPDATES}
const STATE = memory.data(512)
const OUT = memory.data(70000)
let mode: i32 = 0
let job: usize = 0
let jobBytes: i32 = 0
let data: usize = 0
let dataBytes: i32 = 0
let updates: i32 = 0
let stir: u64 = 0x9e3779b97f4a7c15
let loss: f64 = 8
let outBytes: i32 = 0
let status: i32 = 0

export function xee_abi(): i32 { return 1 }

export function xee_alloc(slot: i32, bytes: i32): i32 {
  const at = heap.alloc(max(bytes, 16))
  if (slot == 0) { job = at; jobBytes = bytes } else { data = at; dataBytes = bytes }
  return mode == 9 ? 0x7fffffff : i32(at)
}

export function xee_init(): i32 {
  for (let i = 0; i < jobBytes; i++) stir = (stir ^ load<u8>(job + i)) * 0x100000001b3
  const key = '"mode":'
  const text = String.UTF8.decodeUnsafe(job, jobBytes)
  const at = text.indexOf(key)
  mode = at < 0 ? 0 : i32(parseInt(text.substring(at + key.length, at + key.length + 2)))
  return mode == 5 ? 3 : 0
}

export function xee_step(fuelLeft: i64): i32 {
  if (mode == 6) { status = 3; return -1 }
  if (mode == 8 && updates == 3) return -7
  if (mode == 2 && updates == 20) unreachable()
  if (mode == 3 && updates == 20) while (true) stir += 1
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < dataBytes; i++) {
      stir = (stir ^ load<u8>(data + i)) * 0x100000001b3
      store<u64>(STATE + ((i & 63) << 3), load<u64>(STATE + ((i & 63) << 3)) + stir)
    }
  }
  updates++
  loss = loss * 0.97
  if (mode == 1 && updates == 10) { status = 2; return 1 }
  if (updates < UPDATES) return 0
  status = 1
  return 1
}

export function xee_output(): i32 {
  if (mode == 5) { say('{"status":"error","reason":"mode 5 is refused"}'); return i32(OUT) }
  if (mode == 4 && status != 0) { say('{"status":'); return i32(OUT) }
  if (mode == 7 && status != 0) { outBytes = 66000; memory.fill(OUT, 32, 66000); return i32(OUT) }
  const word = status == 0 ? 'running' : status == 1 ? 'ok' : status == 2 ? 'diverged' : 'infeasible'
  const metric = status == 1 && mode != 10 ? '{"name":"toy_loss","value":"' + hex(reinterpret<u64>(loss)) + '"}' : 'null'
  say('{"status":"' + word + '","metric":' + metric + ',"curve":[{"update":' + updates.toString() + ',"fuel":"'
    + hex(reinterpret<u64>(f64(updates) / UPDATES)) + '","train":"' + hex(reinterpret<u64>(loss)) + '","val":null}],"counters":{"updates":'
    + updates.toString() + '},"progress":"' + hex(reinterpret<u64>(f64(updates) / UPDATES)) + '"}')
  return i32(OUT)
}
export function xee_output_len(): i32 { return outBytes }
export function xee_state(): i32 { return i32(STATE) }
export function xee_state_len(): i32 { return 512 }
export function xee_artifact(): i32 { return i32(STATE) }
export function xee_artifact_len(): i32 { return status == 1 ? 512 : 0 }

function hex(bits: u64): string {
  let text = ''
  for (let shift = 60; shift >= 0; shift -= 4) text += '0123456789abcdef'.charAt(i32((bits >> u64(shift)) & 15))
  return text
}
function say(text: string): void { outBytes = i32(String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, OUT)) }
`

let compiled: Promise<Uint8Array<ArrayBuffer>> | undefined

/** The admitted toy, compiled once a process. */
export function toyModule(): Promise<Uint8Array<ArrayBuffer>> {
  compiled ??= compileToy()
  return compiled
}

async function compileToy(): Promise<Uint8Array<ArrayBuffer>> {
  let module = new Uint8Array()
  const flags = ['-O', '--runtime', 'stub', '--use', 'abort=', '--exportStart', '_initialize']
  const { error, stderr } = await main(
    ['toy.ts', ...flags, '--initialMemory', '8', '--maximumMemory', '16', '--outFile', 'toy.wasm'],
    {
      readFile: (name: string) => (name === 'toy.ts' ? SOURCE : null),
      writeFile: (_name: string, contents: unknown) => {
        if (contents instanceof Uint8Array) module = new Uint8Array(contents)
      },
      listFiles: () => [],
    },
  )
  if (error !== null) throw new Error(stderr.toString())
  const admission = admit(module)
  if (!admission.ok) throw new Error(JSON.stringify(admission.refusals))
  return new Uint8Array(admission.module)
}

/** Changes to the toy's manifest; null for the self-test leaves it out, as releases from before there were any. */
export type ToyChanges = Partial<Omit<KernelManifest, 'selfTest'>> & { readonly selfTest?: SelfTest | null }

/** The toy's manifest, with the digest that its self-test has. */
export async function toyManifest({ selfTest, ...changes }: ToyChanges = {}): Promise<KernelManifest> {
  const manifest: KernelManifest = {
    name: 'toy',
    version: 0,
    serial: 1,
    engine: 'wasm',
    abi: 'xee-1',
    fuelTable: 'fuel-1',
    title: 'a toy',
    recipe: { type: 'object', additionalProperties: false, properties: {} },
    rules: [],
    slots: [{ name: 'data', split: 'train' }],
    memoryPagesMax: 16,
    metric: { name: 'toy_loss', goal: 'minimize', minimum: 0, maximum: 1e9 },
    bounds: { fuelMax: TOY_FUEL, updatesMax: 100 },
    ...changes,
  }
  if (selfTest === null) return manifest
  const bytes = await toyModule()
  const kernel = { manifest, moduleSha256: await sha256(bytes), module: await WebAssembly.compile(bytes) }
  const ended = await runSelfTest(kernel, TOY_SELF_TEST, task => runJob(task, scripted()))
  if (!ended.ok) throw new Error(ended.reason)
  return { ...manifest, selfTest: { ...TOY_SELF_TEST, digest: ended.digest, ...selfTest } }
}

const TOY_SELF_TEST = {
  runs: [{ recipe: {}, limit: { fuel: TOY_FUEL } }],
  seed: 1,
  data: [[{ head: '', bytes: 300, from: 0, span: 256 }]],
}

export interface ToyOptions {
  readonly mode?: keyof typeof MODES
  readonly limit?: Limit
  readonly seed?: number
  readonly module?: Uint8Array<ArrayBuffer>
}

export const TOY_DATA = Uint8Array.from({ length: 997 }, (_, i) => (i * 31 + 7) & 255)

/** A run of the toy, or of another module under the same job. */
export async function toyTask(options: ToyOptions = {}): Promise<RunTask> {
  const module = options.module ?? (await toyModule())
  const limit = options.limit ?? { fuel: TOY_FUEL }
  const recipe = { mode: MODES[options.mode ?? 'normal'] }
  const job = {
    kernel: 'toy@0',
    task: 'train',
    recipe,
    seed: options.seed ?? 1,
    limit,
    marks: MARKS,
  } as const
  return {
    runKey: await runKeyOf(await sha256(module), [await sha256(TOY_DATA)], job),
    job: jobText(job),
    fuelMax: TOY_FUEL,
    module: await WebAssembly.compile(module),
    data: [TOY_DATA],
  }
}

/** A control whose every step is a slice: `orders` are given in turn, then `go`. */
export function scripted(
  orders: readonly Order[] = [],
): RunControl & { saved: Uint8Array[]; slices: Slice[] } {
  let now = 0
  const rest = [...orders]
  const saved: Uint8Array[] = []
  const slices: Slice[] = []
  return {
    gate: async slice => {
      slices.push(slice)
      return rest.shift() ?? 'go'
    },
    save: async checkpoint => {
      saved.push(checkpoint)
    },
    nowMs: () => {
      now += 60
      return now
    },
    saved,
    slices,
  }
}

export function reported(outcome: RunOutcome): Extract<RunOutcome, { type: 'report' }> {
  if (outcome.type !== 'report') throw new Error(`expected a report, got ${JSON.stringify(outcome)}`)
  return outcome
}
