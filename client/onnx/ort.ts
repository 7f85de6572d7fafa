import type * as Ort from 'onnxruntime-common'
import { assertOurs } from './inspect.ts'
import type { HostTensor, NativeRuntime } from './tensors.ts'

type Library = Pick<typeof Ort, 'InferenceSession' | 'Tensor'>

/** ONNX Runtime as trainings use it, whatever it computes on: onnxruntime-node and onnxruntime-web have one interface. */
export const runtimeOf = (ort: Library, options: Ort.InferenceSession.SessionOptions): NativeRuntime => ({
  open: async model => {
    assertOurs(model)
    const session = await ort.InferenceSession.create(model, { ...ONE_THREAD, ...options })
    const wrap = ({ type, data, shape }: HostTensor) => new ort.Tensor(type, data, shape)
    return {
      run: async feeds => {
        const given = Object.entries(feeds).map(([name, tensor]) => [name, wrap(tensor)] as const)
        const results = await session.run(Object.fromEntries(given))
        const read = Object.entries(results).map(
          async ([name, tensor]) => [name, await unwrap(tensor)] as const,
        )
        return Object.fromEntries(await Promise.all(read))
      },
      close: () => session.release(),
    }
  },
})

// One run a core, as with WASM.
const ONE_THREAD: Ort.InferenceSession.SessionOptions = {
  ...{ intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' },
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3, // errors: that some nodes run on the CPU is no news
}

/** Brings a tensor from wherever it is. A graph of this program gives floats, and nothing else. */
async function unwrap(tensor: Ort.Tensor): Promise<HostTensor> {
  const data = await tensor.getData(true)
  if (!(data instanceof Float32Array)) throw new Error('the graph gave something else than floats')
  return { type: 'float32', data, shape: tensor.dims }
}
