import { runtimeOf } from '#client/onnx/ort.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'

/** What onnxruntime-node computes on; the CPU is there wherever the package is. */
export const PROVIDERS = ['cuda', 'dml', 'coreml', 'webgpu', 'cpu'] as const
export type Provider = (typeof PROVIDERS)[number]

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
