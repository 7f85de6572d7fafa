// The library's functions one by one, through the module assembly/probe.

import { instantiate, moduleOf } from './drive.ts'

/** Addresses, counts and numbers, in the order of the library's function. */
type Call = (...args: number[]) => void

interface ProbeExports {
  readonly memory: WebAssembly.Memory
  readonly _initialize?: () => void
  readonly prepare: () => void
  readonly take: (bytes: number) => number
  readonly gemm: (...args: number[]) => void
  readonly peak: (rounds: number, at: number) => void
  readonly peakPaired: (rounds: number, at: number) => void
  readonly exp: (x: number, count: number) => void
  readonly log: (x: number, count: number) => void
  readonly tanh: (x: number, count: number) => void
  readonly logScalar: (x: number) => number
  readonly cosPi: (x: number) => number
  readonly stream: (state: number, seed: bigint, index: bigint) => void
  readonly below: (state: number, count: number) => number
  readonly fillNormal: (state: number, out: number, count: number, deviation: number) => void
  readonly numberAt: (text: number, bytes: number) => number
  readonly member: (text: number, bytes: number, which: number) => number
  readonly gelu: Call
  readonly reluSquared: Call
  readonly swiglu: Call
  readonly swigluBackward: Call
  readonly softcap: Call
  readonly softcapBackward: Call
  readonly adamw: Call
  readonly sgd: Call
  readonly attend: Call
  readonly attendBackward: Call
  readonly layerNorm: Call
  readonly layerNormBackward: Call
  readonly rmsNorm: Call
  readonly rmsNormBackward: Call
  readonly normaliseRow: (...args: number[]) => number
  readonly normaliseRowBackward: Call
  readonly fillRotations: Call
  readonly rotate: Call
  readonly rotateBack: Call
  readonly softmax: Call
  readonly crossEntropy: (...args: number[]) => number
}

export interface Probe extends ProbeExports {
  /** Copies the numbers into the module's memory; the address. */
  readonly give: (numbers: Float32Array) => number
  /** `count` numbers at an address. */
  readonly floats: (at: number, count: number) => Float32Array
}

export async function openProbe(): Promise<Probe> {
  const exports = await instantiate<ProbeExports>(await moduleOf('probe'))
  exports._initialize?.()
  exports.prepare()
  const floats = (at: number, count: number) => new Float32Array(exports.memory.buffer, at, count).slice()
  const give = (numbers: Float32Array): number => {
    const at = exports.take(numbers.length * 4)
    new Float32Array(exports.memory.buffer, at, numbers.length).set(numbers)
    return at
  }
  return { ...exports, floats, give }
}
