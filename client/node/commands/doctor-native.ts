import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Check } from '#protocol/check.ts'
import type { ProbeAnswer } from '../native/messages.ts'
import { probeProvider } from '../native/offers.ts'
import { CLASS_OF, installedVersion, type Provider, providersOf } from '../native/runtime.ts'

/** What was found out about the native engines of a machine. */
export interface NativeFacts {
  readonly platform: NodeJS.Platform
  /** Of onnxruntime-node. */
  readonly version: string | undefined
  readonly tried: readonly { readonly provider: Provider; readonly answer: ProbeAnswer }[]
  /** Makers of the graphics cards that the system shows; undefined: it does not say. */
  readonly cards: readonly ('nvidia' | 'amd' | 'intel' | 'other')[] | undefined
  /** Of NVIDIA, as nvidia-smi says. */
  readonly driver: string | undefined
  /** Whether the package has its part for CUDA, which is not bundled with it. */
  readonly cudaPart: boolean
}

/** The lines of `xeenet doctor` on native engines: what each lacks, and the command that mends it. */
export function nativeChecks(facts: NativeFacts): readonly Check[] {
  if (facts.version === undefined) return [packageCheck()]
  const cpu = facts.tried.find(({ provider }) => provider === 'cpu')?.answer
  return [cpuCheck(cpu), gpuCheck(facts)]
}

const packageCheck = (): Check => ({
  ...{ name: 'native', ok: false, level: 'warn' },
  found: 'onnxruntime-node is not installed: this machine offers WASM only',
  remedy: 'npm install onnxruntime-node@1.30.0 (288 MB).',
})

function cpuCheck(answer: ProbeAnswer | undefined): Check {
  const check = { name: 'native', level: 'warn' } as const
  if (answer?.ok) return { ...check, ok: true, found: `onnx-cpu at ${gigaflops(answer.flopsPerSecond)}` }
  const found = `onnx-cpu failed its self-test: ${answer?.reason ?? 'it was not tried'}`
  return {
    ...check,
    ok: false,
    found,
    remedy: 'npm install onnxruntime-node@1.30.0 once more; WASM is not concerned.',
  }
}

function gpuCheck(facts: NativeFacts): Check {
  const check = { name: 'gpu', level: 'warn' } as const
  const gpus = facts.tried.filter(({ provider }) => provider !== 'cpu')
  const passed = gpus.flatMap(({ provider, answer }) =>
    answer.ok ? [`${CLASS_OF[provider]} at ${gigaflops(answer.flopsPerSecond)} (${provider})`] : [],
  )
  if (passed.length > 0) return { ...check, ok: true, found: passed.join(', ') }
  if (facts.cards?.length === 0)
    return {
      ...check,
      ok: true,
      found: 'no graphics card is visible: this machine computes on its processor',
    }
  const reasons = gpus.flatMap(({ provider, answer }) =>
    answer.ok ? [] : [`${provider}: ${short(answer.reason)}`],
  )
  return { ...check, ok: false, found: `not usable: ${reasons.join('; ')}`, remedy: remedyFor(facts) }
}

const CUDA_PART =
  'npm rebuild onnxruntime-node --ignore-scripts=false --onnxruntime-node-install=cuda12 (fetches the part for CUDA).'

/** The first thing that is missing, and the command for it. */
function remedyFor({ platform, cards = [], driver, cudaPart }: NativeFacts): string {
  if (platform === 'win32')
    return 'Update the graphics driver (winget upgrade --all, or its maker’s page): DirectML needs DirectX 12.'
  if (platform === 'darwin') return 'softwareupdate --install --all: CoreML and WebGPU come with macOS.'
  if (cards.includes('nvidia')) {
    if (driver === undefined)
      return 'sudo apt-get install nvidia-driver, then restart: the card has no driver.'
    if (!cudaPart) return CUDA_PART
    return 'sudo apt-get install nvidia-cuda-toolkit libcudnn9-cuda-12: the driver is there, CUDA’s libraries are not.'
  }
  return 'sudo apt-get install libvulkan1 mesa-vulkan-drivers: WebGPU needs Vulkan.'
}

const gigaflops = (flopsPerSecond: number): string => `${(flopsPerSecond / 1e9).toFixed(1)} GFLOP/s`

const short = (reason: string): string => (reason.length > 90 ? `${reason.slice(0, 90)}…` : reason)

/** What this machine shows, with a self-test of each provider that its platform may have. */
export async function checkNative(platform: NodeJS.Platform = process.platform): Promise<readonly Check[]> {
  const version = installedVersion()
  const providers = version === undefined ? [] : providersOf(platform).filter(provider => provider !== 'wasm')
  const tried: { provider: Provider; answer: ProbeAnswer }[] = []
  for (const provider of providers) tried.push({ provider, answer: await probeProvider(provider) })
  return nativeChecks({
    ...{ platform, version, tried },
    ...{ cards: await cardsOf(platform), driver: await nvidiaDriver(), cudaPart: await hasCudaPart() },
  })
}

const MAKERS: Readonly<Record<string, 'nvidia' | 'amd' | 'intel'>> = {
  '0x10de': 'nvidia',
  '0x1002': 'amd',
  '0x8086': 'intel',
}
const CARDS = '/sys/class/drm'

/** Linux lists them; elsewhere only the providers tell. */
async function cardsOf(platform: NodeJS.Platform): Promise<NativeFacts['cards']> {
  if (platform !== 'linux') return undefined
  const names = (await readdir(CARDS).catch(() => [])).filter(name => /^card\d+$/.test(name))
  const vendors = await Promise.all(
    names.map(name => readFile(join(CARDS, name, 'device', 'vendor'), 'utf8').catch(() => '')),
  )
  return vendors.map(vendor => MAKERS[vendor.trim()] ?? 'other')
}

async function nvidiaDriver(): Promise<string | undefined> {
  const asked = ['--query-gpu=driver_version', '--format=csv,noheader']
  const said = await promisify(execFile)('nvidia-smi', asked, { timeout: 10_000 }).catch(() => undefined)
  return said?.stdout.trim().split('\n')[0] || undefined
}

/** Whether the package has its part for CUDA, which is fetched by itself. */
export async function hasCudaPart(): Promise<boolean> {
  const at = packageDirectory()
  if (at === undefined) return false
  const files = await readdir(join(at, 'bin'), { recursive: true }).catch(() => [])
  return files.some(file => /onnxruntime_providers_cuda/.test(file))
}

function packageDirectory(): string | undefined {
  try {
    return dirname(fileURLToPath(import.meta.resolve('onnxruntime-node/package.json')))
  } catch {
    return undefined
  }
}
