import { loadRuntime } from '#client/node/native/runtime.ts'
import { GraphBuilder, type Tensor } from '#client/onnx/graph.ts'
import { modelBytes } from '#client/onnx/model.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { hasCudaPart } from '../../../client/node/commands/doctor-native.ts'

const loaded = await loadRuntime()

/** ONNX Runtime is an optional package: where it is missing these tests are skipped, visibly, but never in CI. */
export const isMissing = loaded === undefined && process.env.CI === undefined

export function nativeRuntime(): NativeRuntime {
  if (loaded === undefined) throw new Error('onnxruntime-node is not installed')
  return loaded
}

/** An NVIDIA card that ONNX Runtime can use. Without its part for CUDA nothing is tried, which would print errors. */
async function openCuda(): Promise<NativeRuntime | undefined> {
  if (!(await hasCudaPart())) return undefined
  const runtime = await loadRuntime('cuda')
  const g = new GraphBuilder()
  const model = modelBytes(g.finish([g.named(g.input('x', 'float32', [1]), 'y')]))
  const session = await runtime?.open(model).catch(() => undefined)
  await session?.close()
  return session === undefined ? undefined : runtime
}

const cuda = await openCuda()

/** Where the tests of graphs and trainings run: on the processor, and on a card where there is one; without it they are skipped, visibly. */
export const DEVICES = [
  { device: 'the processor', isMissing, runtime: nativeRuntime },
  {
    ...{ device: 'CUDA', isMissing: cuda === undefined },
    runtime: () => cuda ?? nativeRuntime(),
  },
] as const

export type Values = readonly number[]

/** Builds a graph of float inputs, and gives what it computes of values for them. */
export async function computing(
  shapes: Readonly<Record<string, readonly number[]>>,
  build: (g: GraphBuilder, inputs: Readonly<Record<string, Tensor>>) => readonly Tensor[],
  runtime = nativeRuntime(),
): Promise<(values: Readonly<Record<string, Values>>) => Promise<number[][]>> {
  const g = new GraphBuilder()
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, g.input(name, 'float32', shape)]),
  )
  const outputs = build(g, inputs).map((tensor, i) => g.named(tensor, `out${i}`))
  const session = await runtime.open(modelBytes(g.finish(outputs)))
  return async values => {
    const feeds = Object.entries(shapes).map(
      ([name, shape]) =>
        [name, { type: 'float32', data: Float32Array.from(values[name] ?? []), shape }] as const,
    )
    const reply = await session.run(Object.fromEntries(feeds))
    return outputs.map(({ name }) => Array.from((reply[name]?.data ?? []) as Float32Array))
  }
}
