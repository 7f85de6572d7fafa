import { createRequire } from 'node:module'
import { z } from 'zod'
import { runtimeOf } from '#client/onnx/ort.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import type { NativeClass } from '#protocol/engine.ts'

/** What onnxruntime-node computes on; the CPU is there wherever the package is. `wasm` is onnxruntime-web, as a browser has it. */
export const PROVIDERS = ['cuda', 'dml', 'coreml', 'webgpu', 'cpu', 'wasm'] as const
export type Provider = (typeof PROVIDERS)[number]

/** The providers that a platform may have, the likely fastest first. */
export function providersOf(platform: NodeJS.Platform): readonly Provider[] {
  if (platform === 'win32') return ['cuda', 'dml', 'webgpu', 'cpu', 'wasm']
  if (platform === 'darwin') return ['coreml', 'webgpu', 'cpu', 'wasm']
  return ['cuda', 'webgpu', 'cpu', 'wasm']
}

/** The class in which a provider's results are compared. GPUs without a class of their own are in that of any GPU. */
export const CLASS_OF: Readonly<Record<Provider, NativeClass>> = {
  cuda: 'onnx-cuda',
  dml: 'onnx-webgpu',
  coreml: 'onnx-webgpu',
  webgpu: 'onnx-webgpu',
  cpu: 'onnx-cpu',
  wasm: 'onnx-wasm',
}

/** ONNX Runtime on one thread; undefined where the optional package is not installed. */
export async function loadRuntime(provider: Provider = 'cpu'): Promise<NativeRuntime | undefined> {
  if (provider === 'wasm') return loadWeb()
  const ort = await import('onnxruntime-node').catch(() => undefined)
  if (ort === undefined) return undefined
  return runtimeOf(ort, {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    // Denormal numbers are slow, and the kernels flush them.
    extra: { session: { set_denormal_as_zero: '1' } },
  })
}

async function loadWeb(): Promise<NativeRuntime | undefined> {
  const ort = await import('onnxruntime-web/wasm').catch(() => undefined)
  if (ort === undefined) return undefined
  ort.env.wasm.numThreads = 1
  return runtimeOf(ort, { executionProviders: ['wasm'] })
}

/** The version of the optional package; undefined where it is not installed. Does not load it. */
export function installedVersion(): string | undefined {
  try {
    const about: unknown = createRequire(import.meta.url)('onnxruntime-node/package.json')
    return Package.parse(about).version
  } catch {
    return undefined
  }
}

const Package = z.object({ version: z.string() })
