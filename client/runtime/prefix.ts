// A run to the end of a rung goes on as the run to the next one: both are the same until then, but for the byte of the job
// that says where to end, and the kernel's own copy of it (DESIGN §10).

import { utf8 } from '#protocol/canonical.ts'
import { Job, jobText, LAST_RUNG, Rung, rungsUntil, runKeyOf } from '#protocol/job.ts'
import type { Sha256 } from '#protocol/units.ts'
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts'
import { globalBytes, readGlobals } from './globals.ts'
import { beginRun, memoryOf, openSandbox } from './sandbox.ts'
import { KernelFault } from './trap.ts'

/** A run to an earlier rung that this host computed, shortly before its end. */
export interface Prefix {
  readonly runKey: Sha256
  readonly job: string
  readonly checkpoint: Uint8Array
}

/** Larger ones are not kept: computing the prefix again costs less than some hundred of them on a disk. */
export const PREFIX_BYTES_MAX = 64 * 1024 * 1024

/** Whether a run may be gone on with: it ends with a rung before the last. */
export const isPrefix = ({ rungs }: Job): boolean => rungs !== undefined && rungs.until < LAST_RUNG

interface Named {
  readonly job: string
  readonly moduleSha256: Sha256
  /** Of each data file, in slot order. */
  readonly data: readonly Sha256[]
}

/** The longest prefix of a run that `find` knows by its run key. */
export async function longestPrefix(
  { job, moduleSha256, data }: Named,
  find: (runKey: Sha256) => Promise<Uint8Array | undefined>,
): Promise<Prefix | undefined> {
  const whole = Job.parse(JSON.parse(job))
  for (let until = (whole.rungs?.until ?? 0) - 1; until >= 0; until--) {
    const shorter = { ...whole, rungs: rungsUntil(Rung.parse(until)) }
    const runKey = await runKeyOf(moduleSha256, data, shorter)
    const checkpoint = await find(runKey)
    if (checkpoint !== undefined) return { runKey, job: jobText(shorter), checkpoint }
  }
  return undefined
}

interface Continued {
  readonly module: WebAssembly.Module
  readonly total: bigint
  readonly job: string
  readonly data: readonly Uint8Array[]
}

// The digit in the job's text, and the kernel's copies of it.
const CHANGED_BYTES_MAX = 32

/**
 * The checkpoint of a prefix as one of the longer run: what differs between the two runs at their beginnings is exchanged.
 * Undefined where anything speaks against it: then the run begins anew.
 */
export async function continued(prefix: Prefix, run: Continued): Promise<Checkpoint | undefined> {
  const checkpoint = await decodeCheckpoint(prefix.checkpoint, prefix.runKey)
  if (checkpoint === undefined) return undefined
  const shorter = await begun(run, prefix.job)
  const longer = shorter && (await begun(run, run.job))
  if (shorter === undefined || longer === undefined) return undefined
  if (shorter.fuelLeft !== longer.fuelLeft) return undefined
  const memory = exchanged(checkpoint.memory, shorter.memory, longer.memory)
  const globals = exchanged(checkpoint.globals, shorter.globals, longer.globals)
  return memory && globals && { ...checkpoint, memory, globals, cpuMs: 0 }
}

async function begun({ module, total, data }: Continued, job: string) {
  try {
    const sandbox = await openSandbox(module, total)
    beginRun(sandbox, [utf8(job), ...data])
    const globals = globalBytes(readGlobals(sandbox.globals))
    return { fuelLeft: sandbox.fuelLeft, globals, memory: memoryOf(sandbox).slice() }
  } catch (error) {
    // The run that begins anew says so as its outcome.
    if (error instanceof KernelFault || error instanceof WebAssembly.RuntimeError) return undefined
    throw error
  }
}

/** `state` with what differs between `from` and `to`, as far as it was still as in `from`; else undefined. */
function exchanged(state: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array | undefined {
  if (from.length !== to.length || state.length < from.length) return undefined
  const changed = state.slice()
  let count = 0
  for (let i = 0; i < from.length; i++) {
    const byte = to[i]
    if (byte === undefined || byte === from[i]) continue
    if (state[i] !== from[i] || ++count > CHANGED_BYTES_MAX) return undefined
    changed[i] = byte
  }
  return changed
}
