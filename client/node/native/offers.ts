import { join } from 'node:path'
import { z } from 'zod'
import type { EngineClass, NativeClass } from '#protocol/engine.ts'
import { thisEngine } from '../engine-memory.ts'
import { parseJson, readIfThere, writeDurably } from '../files.ts'
import { ProbeAnswer } from './messages.ts'
import { CLASS_OF, installedVersion, PROVIDERS, type Provider, providersOf } from './runtime.ts'
import { superviseChild } from './supervise.ts'

/** Which engines a person lets this machine use. */
export interface EngineWish {
  /** `auto`: all that pass their self-test here. */
  readonly classes: 'auto' | readonly EngineClass[]
  readonly gpu: 'auto' | 'none'
}

/** An engine that passed its self-test here, and how fast it was. */
export interface NativeOffer {
  readonly engineClass: NativeClass
  readonly provider: Provider
  readonly flopsPerSecond: number
}

export interface FoundEngines {
  /** Whether the kernel itself is computed. */
  readonly wasm: boolean
  /** At most one of each class, the fastest. */
  readonly offers: readonly NativeOffer[]
  /** All that were looked at and are not offered, with the reason. */
  readonly missing: readonly { readonly engine: string; readonly reason: string }[]
}

const Tried = z.object({ provider: z.enum(PROVIDERS), answer: ProbeAnswer })
type Tried = z.infer<typeof Tried>

const Memory = z.object({ machine: z.string(), atMs: z.number(), tried: z.array(Tried) })

// A new driver or a new card shows within a week; `xeenet doctor` looks at once.
const REMEMBERED_MS = 7 * 24 * 3600_000
// Compiling shaders or CUDA's start may take half of it; a driver that hangs costs no more.
const PROBE_MS = 60_000
const PROBE_BYTES_MAX = 4 * 1024 ** 3

const MISSING = 'onnxruntime-node is not installed (npm install onnxruntime-node@1.30.0): WASM only'

/** What this machine can compute and may: each engine by its self-test, in a process of its own, unless it passed lately. */
export async function findEngines(
  stateDir: string,
  wish: EngineWish,
  platform: NodeJS.Platform = process.platform,
): Promise<FoundEngines> {
  const wasm = wants(wish, 'wasm')
  const wanted = providersOf(platform).filter(provider => wantsProvider(wish, provider))
  if (wanted.length === 0) return { wasm, offers: [], missing: [] }
  const version = installedVersion()
  if (version === undefined) return { wasm, offers: [], missing: [{ engine: 'onnx', reason: MISSING }] }
  const machine = `${thisEngine()}, onnxruntime ${version}`
  const file = join(stateDir, 'native.json')
  const known = await rememberedAt(file, machine)
  const tried: Tried[] = []
  for (const provider of wanted)
    tried.push(
      known.find(one => one.provider === provider) ?? { provider, answer: await probeProvider(provider) },
    )
  const kept = [...tried, ...known.filter(one => !wanted.includes(one.provider))]
  if (tried.some(one => !known.includes(one)))
    await writeDurably(file, JSON.stringify({ machine, atMs: Date.now(), tried: kept }))
  return { wasm, ...sorted(tried) }
}

const wants = ({ classes }: EngineWish, engineClass: EngineClass): boolean =>
  classes === 'auto' || classes.includes(engineClass)

/** A browser's engine only where it is asked for by name: here the kernel itself is faster. */
function wantsProvider(wish: EngineWish, provider: Provider): boolean {
  if (provider === 'wasm') return wish.classes !== 'auto' && wants(wish, 'onnx-wasm')
  return wants(wish, CLASS_OF[provider]) && (provider === 'cpu' || wish.gpu === 'auto')
}

async function rememberedAt(file: string, machine: string): Promise<readonly Tried[]> {
  const memory = Memory.safeParse(parseJson((await readIfThere(file))?.toString()))
  if (!memory.success || memory.data.machine !== machine) return []
  const age = Date.now() - memory.data.atMs
  return age >= 0 && age < REMEMBERED_MS ? memory.data.tried : []
}

/** The self-test of one provider in a process of its own; whatever happens to that is a reason. */
export async function probeProvider(provider: Provider, limitMs = PROBE_MS): Promise<ProbeAnswer> {
  let answer: ProbeAnswer | undefined
  const end = await superviseChild(
    { type: 'probe', provider },
    {
      memoryBytesMax: PROBE_BYTES_MAX,
      signal: AbortSignal.timeout(limitMs),
      hear: async message => {
        if (message.type === 'probed') answer = message.answer
        return undefined
      },
    },
  )
  if (answer !== undefined) return answer
  if (end.type === 'out_of_memory') return { ok: false, reason: `it took ${end.rssBytes} bytes of memory` }
  const because = end.type === 'crashed' ? end.because : 'it ended without a word'
  return { ok: false, reason: because === 'aborted' ? `no answer within ${limitMs} ms` : because }
}

function sorted(tried: readonly Tried[]): Pick<FoundEngines, 'offers' | 'missing'> {
  const offers = new Map<NativeClass, NativeOffer>()
  const missing: { engine: string; reason: string }[] = []
  for (const { provider, answer } of tried) {
    const engineClass = CLASS_OF[provider]
    if (!answer.ok) missing.push({ engine: provider, reason: answer.reason })
    else if (answer.flopsPerSecond > (offers.get(engineClass)?.flopsPerSecond ?? 0))
      offers.set(engineClass, { engineClass, provider, flopsPerSecond: answer.flopsPerSecond })
  }
  return { offers: [...offers.values()], missing }
}
