import { loadRuntime } from '#client/node/native/runtime.ts'
import { GraphBuilder, type Tensor } from '#client/onnx/graph.ts'
import { modelBytes } from '#client/onnx/model.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'

const loaded = await loadRuntime()

/** ONNX Runtime is an optional package: where it is missing these tests are skipped, visibly, but never in CI. */
export const isMissing = loaded === undefined && process.env.CI === undefined

export function nativeRuntime(): NativeRuntime {
  if (loaded === undefined) throw new Error('onnxruntime-node is not installed')
  return loaded
}

export type Values = readonly number[]

/** Builds a graph of float inputs, and gives what it computes of values for them. */
export async function computing(
  shapes: Readonly<Record<string, readonly number[]>>,
  build: (g: GraphBuilder, inputs: Readonly<Record<string, Tensor>>) => readonly Tensor[],
): Promise<(values: Readonly<Record<string, Values>>) => Promise<number[][]>> {
  const g = new GraphBuilder()
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, g.input(name, 'float32', shape)]),
  )
  const outputs = build(g, inputs).map((tensor, i) => g.named(tensor, `out${i}`))
  const session = await nativeRuntime().open(modelBytes(g.finish(outputs)))
  return async values => {
    const feeds = Object.entries(shapes).map(
      ([name, shape]) =>
        [name, { type: 'float32', data: Float32Array.from(values[name] ?? []), shape }] as const,
    )
    const reply = await session.run(Object.fromEntries(feeds))
    return outputs.map(({ name }) => Array.from((reply[name]?.data ?? []) as Float32Array))
  }
}
