/** Tensors outside the runtime, and what goes in and comes out of a call. */
export interface HostTensor {
  readonly type: 'float32' | 'int32' | 'int64'
  readonly data: Float32Array | Int32Array | BigInt64Array
  readonly shape: readonly number[]
}
export type Feeds = Readonly<Record<string, HostTensor>>

/** A graph that is ready to run. A call cannot be interrupted. */
export interface Session {
  run(feeds: Feeds): Promise<Feeds>
  /** Gives its memory back. */
  close(): Promise<void>
}

/** ONNX Runtime, in whatever environment. */
export interface NativeRuntime {
  /** @throws Error for a model that this program would not have written */
  open(model: Uint8Array): Promise<Session>
}

export function tensorOf(feeds: Feeds, name: string): HostTensor {
  const tensor = feeds[name]
  if (tensor === undefined) throw new Error(`the runtime gives no ${name}`)
  return tensor
}

export function floatsIn(feeds: Feeds, name: string): Float32Array {
  const { data } = tensorOf(feeds, name)
  if (!(data instanceof Float32Array)) throw new Error(`${name} is not of floats`)
  return data
}
