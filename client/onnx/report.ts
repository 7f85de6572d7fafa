/** What a native run says when it is over: the same report as a kernel's, with its engine and what its weights are compared by. */
import { sha256 } from '#protocol/canonical.ts'
import type { NativeClass } from '#protocol/engine.ts'
import { fingerprintOf } from '#protocol/fingerprint.ts'
import { flopsMade } from '#protocol/native.ts'
import type { Metric, RunReport } from '#protocol/report.ts'
import { reportText } from '#runtime/report.ts'
import type { RunOutcome } from '#runtime/run.ts'
import { curveOf } from './curve.ts'
import type { Progress } from './train.ts'

/** A run, as its report needs it. */
export interface Reported {
  readonly engineClass: NativeClass
  /** Closed-form training FLOPs of the whole run. */
  readonly flops: number
  readonly updates: number
  readonly cpuMs: number
}

interface Ended extends Reported {
  readonly progress: Pick<Progress, 'update' | 'losses'>
  /** Of the kernel: items, parameters, what its evaluation counted. */
  readonly counters: Readonly<Record<string, number>>
  readonly seed: number
}

/** The report of a run that reached its end with these weights and this metric. */
export async function okOutcome(ended: Ended, metric: Metric, artifact: Uint8Array): Promise<RunOutcome> {
  const fingerprint = fingerprintOf(artifact, ended.seed)
  if (fingerprint === undefined)
    return {
      type: 'error',
      code: 'output_invalid',
      detail: 'weights that are no numbers',
      cpuMs: ended.cpuMs,
    }
  const { engineClass, progress, updates } = ended
  const report: RunReport = {
    ...{ status: 'ok', metric, curve: curveOf(progress.losses, updates) },
    ...{ counters: countersOf(ended), fuelUsed: fuelUsed(ended, progress.update), trace: [] },
    ...{ artifactSha256: await sha256(artifact), engine: engineClass, fingerprint },
  }
  return { type: 'report', ...(await reportText(report)), artifact, cpuMs: ended.cpuMs }
}

/** The report of a run that left all numbers behind. */
export async function divergedOutcome(ended: Ended): Promise<RunOutcome> {
  const { engineClass, progress, updates } = ended
  const report: RunReport = {
    ...{ status: 'diverged', metric: null, curve: curveOf(progress.losses, updates) },
    ...{ counters: countersOf(ended), fuelUsed: fuelUsed(ended, progress.update), trace: [] },
    ...{ artifactSha256: null, engine: engineClass },
  }
  return { type: 'report', ...(await reportText(report)), artifact: null, cpuMs: ended.cpuMs }
}

/** The report of a run that found no memory, although the estimate said that there is enough. */
export async function infeasibleOutcome({ engineClass, cpuMs }: Reported): Promise<RunOutcome> {
  const report: RunReport = {
    ...{ status: 'infeasible', metric: null, curve: [], counters: {}, fuelUsed: 0, trace: [] },
    ...{ artifactSha256: null, engine: engineClass },
  }
  return { type: 'report', ...(await reportText(report)), artifact: null, cpuMs }
}

const countersOf = ({ counters, progress, updates, flops }: Ended): Record<string, number> => ({
  ...counters,
  updates: progress.update,
  updatesPlanned: updates,
  flops: flopsMade(flops, progress.update, updates),
})

const fuelUsed = ({ flops, updates }: Reported, made: number): number => flopsMade(flops, made, updates)
