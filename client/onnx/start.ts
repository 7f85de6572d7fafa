import { utf8 } from '#protocol/canonical.ts'
import { beginRun, memoryOf, openSandbox, type Sandbox } from '#runtime/sandbox.ts'
import { KernelFault } from '#runtime/trap.ts'
import { prefaceBytesOf } from './learner.ts'

/** What a native run begins with: the artifact that the WASM kernel would export if it ended before its first update. */
export interface Start {
  readonly preface: Uint8Array
  readonly parameters: Float32Array
}

interface Asked {
  readonly kernel: string // name@version
  readonly module: WebAssembly.Module
  /** The exact bytes of slot 0. */
  readonly job: string
  /** Slots 1…, in order. */
  readonly data: readonly Uint8Array[]
  readonly fuelMax: number
}

// Word 2 of an artifact's header: how many parameters follow the preface.
const PARAMETERS_AT = 8

/**
 * Has the kernel draw its first weights, so that both engines start from the same bits.
 * @throws KernelFault when the kernel declines the job, and RangeError for a kernel without a native form
 */
export async function startOf({ kernel, module, job, data, fuelMax }: Asked): Promise<Start> {
  const prefaceBytes = prefaceBytesOf(kernel)
  if (prefaceBytes === undefined) throw new RangeError(`${kernel} has no native form`)
  const sandbox = await openSandbox(module, BigInt(fuelMax))
  beginRun(sandbox, [utf8(job), ...data])
  const memory = memoryOf(sandbox)
  const at = artifactOf(sandbox)
  const preface = memory.slice(at, at + prefaceBytes)
  const count = new DataView(preface.buffer).getUint32(PARAMETERS_AT, true)
  const bytes = memory.slice(at + prefaceBytes, at + prefaceBytes + 4 * count)
  if (bytes.length !== 4 * count)
    throw new KernelFault('output_invalid', 'xee_artifact lies outside the memory')
  return { preface, parameters: new Float32Array(bytes.buffer) }
}

/** Where the weights lie; before the end of a run the kernel says that they have no length. */
function artifactOf({ exports }: Sandbox): number {
  const { xee_artifact } = exports
  if (typeof xee_artifact !== 'function')
    throw new KernelFault('kernel_refused', 'it exports no xee_artifact')
  return Number(xee_artifact()) >>> 0
}

/** The bytes of an artifact with these parameters. */
export function artifactBytes(preface: Uint8Array, parameters: Float32Array): Uint8Array {
  const bytes = new Uint8Array(preface.length + 4 * parameters.length)
  bytes.set(preface)
  const view = new DataView(bytes.buffer)
  parameters.forEach((value, i) => {
    view.setFloat32(preface.length + 4 * i, value, true)
  })
  return bytes
}
