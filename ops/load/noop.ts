// What noop@1 says of a job, without running it: a simulated host has no time for that. A test holds it against the kernel.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { canonicalJson } from '#protocol/canonical.ts'
import { MARKS } from '#protocol/limits.ts'

/** The kernel's project. */
export const NOOP_DIRECTORY = join(import.meta.dirname, '../../assembly/noop')

/** Smallest budget that a run may have; one takes about 19,000. */
export const NOOP_FUEL = 1_000_000

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** The weights that a job gives: two hashes, eight bytes, little-endian (assembly/noop/SPEC.md). */
export function weightsOf(job: string): Uint8Array {
  let first = FNV_OFFSET
  let second = ~FNV_OFFSET
  for (let i = 0; i < job.length; i++) {
    const byte = job.charCodeAt(i)
    first = Math.imul(first ^ byte, FNV_PRIME)
    second = Math.imul(second ^ byte, FNV_PRIME)
  }
  const view = new DataView(new ArrayBuffer(8))
  view.setInt32(0, first, true)
  view.setInt32(4, second, true)
  return new Uint8Array(view.buffer)
}

/** Instructions of a training limited by fuel: a scan of the job for its updates, one for its hash, and what is said of it. */
const trainingFuel = (job: string): number => 9138 + 81 * job.length
/** Of evaluating weights: what is said of them. */
const EVALUATION_FUEL = 9002

const TRAIN = '"task":"train"'
const EVALUATE = '"task":"evaluate"'

/** The report of a run, RFC 8785, and its digest. @param job ASCII, limited by fuel */
export function noopReport(job: string): { readonly text: string; readonly digest: string } {
  const trains = job.includes(TRAIN)
  // The weights to evaluate are those that an honest host trained.
  const weights = weightsOf(job.replace(EVALUATE, TRAIN))
  const view = new DataView(weights.buffer)
  const value = (view.getUint32(0, true) + (view.getUint32(4, true) >>> 11) / 2 ** 21) / 2 ** 32
  const sha256 = createHash('sha256').update(weights).digest('hex')
  const updates = trains ? 1 : 0
  const text = canonicalJson({
    status: 'ok',
    metric: { name: 'noise', value },
    curve: [{ update: updates, fuel: 1, train: null, val: value }],
    counters: { updates },
    fuelUsed: trains ? trainingFuel(job) : EVALUATION_FUEL,
    trace: Array(MARKS).fill(sha256), // the state is the weights, and there is no global
    artifactSha256: trains ? sha256 : null,
  })
  return { text, digest: createHash('sha256').update(text).digest('hex') }
}
