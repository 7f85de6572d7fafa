import type { HostTensor, NativeRuntime } from '#client/onnx/train.ts'

type Ort = typeof import('onnxruntime-node')

/** What onnxruntime-node computes on; the CPU is there wherever the package is. */
export const PROVIDERS = ['cuda', 'dml', 'coreml', 'webgpu', 'cpu'] as const
export type Provider = (typeof PROVIDERS)[number]

/** onnxruntime-node on one thread; undefined where the optional package is not installed. */
export async function loadRuntime(provider: Provider = 'cpu'): Promise<NativeRuntime | undefined> {
  const ort = await import('onnxruntime-node').catch(() => undefined)
  return ort === undefined ? undefined : runtimeOf(ort, provider)
}

/** A graph of this program gives floats, and nothing else. */
function unwrap({ data, dims }: { readonly data: unknown; readonly dims: readonly number[] }): HostTensor {
  if (!(data instanceof Float32Array)) throw new Error('the graph gave something else than floats')
  return { type: 'float32', data, shape: dims }
}

function runtimeOf(ort: Ort, provider: Provider): NativeRuntime {
  const wrap = ({ type, data, shape }: HostTensor) => new ort.Tensor(type, data, shape)
  return {
    open: async model => {
      const session = await ort.InferenceSession.create(model, {
        executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
        // One run a core, as with WASM.
        ...{ intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' },
        graphOptimizationLevel: 'all',
        // Denormal numbers are slow, and the kernels flush them.
        extra: { session: { set_denormal_as_zero: '1' } },
      })
      return {
        run: async feeds => {
          const given = Object.entries(feeds).map(([name, tensor]) => [name, wrap(tensor)] as const)
          const results = await session.run(Object.fromEntries(given))
          return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, unwrap(tensor)]))
        },
      }
    },
  }
}
