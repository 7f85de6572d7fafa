import { runtimeOf } from '#client/onnx/ort.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import type { NativeClass } from '#protocol/engine.ts'

/** What onnxruntime-node computes on; the CPU is there wherever the package is. */
export const PROVIDERS = ['cuda', 'dml', 'coreml', 'webgpu', 'cpu'] as const
export type Provider = (typeof PROVIDERS)[number]

/** The providers that a platform may have, the likely fastest first. */
export function providersOf(platform: NodeJS.Platform): readonly Provider[] {
  if (platform === 'win32') return ['cuda', 'dml', 'webgpu', 'cpu']
  if (platform === 'darwin') return ['coreml', 'webgpu', 'cpu']
  return ['cuda', 'webgpu', 'cpu']
}

/** The class in which a provider's results are compared. GPUs without a class of their own are in that of any GPU. */
export const CLASS_OF: Readonly<Record<Provider, NativeClass>> = {
  cuda: 'onnx-cuda',
  dml: 'onnx-webgpu',
  coreml: 'onnx-webgpu',
  webgpu: 'onnx-webgpu',
  cpu: 'onnx-cpu',
}

/** onnxruntime-node on one thread; undefined where the optional package is not installed. */
export async function loadRuntime(provider: Provider = 'cpu'): Promise<NativeRuntime | undefined> {
  const ort = await import('onnxruntime-node').catch(() => undefined)
  if (ort === undefined) return undefined
  return runtimeOf(ort, {
    executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
    // Denormal numbers are slow, and the kernels flush them.
    extra: { session: { set_denormal_as_zero: '1' } },
  })
}
