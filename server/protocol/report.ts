import { z } from 'zod'
import { NativeClass } from './engine.ts'
import { Fingerprint } from './fingerprint.ts'
import { CURVE_POINTS_MAX, FUEL_MAX, MARKS, METRIC_ABS_MAX, OUTPUT_BYTES_MAX, UPDATES_MAX } from './limits.ts'
import { Sha256 } from './units.ts'

/** How a run ended. A trap is a result like any other: replicas trap at the same fuel. */
export const RunStatus = z.enum(['ok', 'diverged', 'trapped', 'infeasible'])
export type RunStatus = z.infer<typeof RunStatus>

export const Metric = z.strictObject({
  name: z.string().max(40),
  value: z.number().min(-METRIC_ABS_MAX).max(METRIC_ABS_MAX),
})
export type Metric = z.infer<typeof Metric>

/** One point of the learning curve; losses in the metric's unit, `fuel` is the fraction of the limit spent. */
export const CurvePoint = z.strictObject({
  update: z.int().min(0).max(UPDATES_MAX),
  fuel: z.number().min(0).max(1),
  train: z.number().nullable(),
  val: z.number().nullable(),
})
export type CurvePoint = z.infer<typeof CurvePoint>

/**
 * What a run says: the kernel's output, completed by the host. Its digest is the SHA-256 of its RFC 8785 text, and a
 * host sends exactly that text.
 */
export const RunReport = z
  .strictObject({
    status: RunStatus,
    metric: Metric.nullable(),
    curve: z.array(CurvePoint).max(CURVE_POINTS_MAX),
    counters: z.record(z.string().regex(/^[a-zA-Z][\w.-]{0,39}$/), z.number()),
    /** Instructions; of a native run the training FLOPs of the updates that were made, floor(lease.flops × made / planned). */
    fuelUsed: z.int().min(0).max(FUEL_MAX),
    trace: z.array(Sha256).max(MARKS),
    artifactSha256: Sha256.nullable(),
    /** Absent in what the kernel itself computed. */
    engine: NativeClass.optional(),
    /** Of the artifact of a native run, with the job's seed. */
    fingerprint: Fingerprint.optional(),
  })
  .refine(r => (r.status === 'ok') === (r.metric !== null), {
    message: 'a metric belongs to status ok, and only to it',
    path: ['metric'],
  })
  .refine(r => r.engine !== undefined || r.status !== 'ok' || r.trace.length === MARKS, {
    message: 'a finished run has every mark',
    path: ['trace'],
  })
  .refine(r => r.engine === undefined || r.trace.length === 0, {
    message: 'a native run has no marks: its state differs from device to device',
    path: ['trace'],
  })
  .refine(r => (r.engine !== undefined && r.status === 'ok') === (r.fingerprint !== undefined), {
    message: 'a fingerprint belongs to a native run that ended ok, and only to it',
    path: ['fingerprint'],
  })
  .refine(r => r.fingerprint === undefined || r.artifactSha256 !== null, {
    message: 'a native run commits to its weights',
    path: ['artifactSha256'],
  })
export type RunReport = z.infer<typeof RunReport>

export const ReportText = z.string().max(OUTPUT_BYTES_MAX)

/** Why a host could not finish a run: errors are retried elsewhere, never judged. */
export const RunErrorCode = z.enum([
  'out_of_memory',
  'engine_stack',
  'killed', // the wall-clock kill switch
  'download_failed',
  'download_corrupt',
  'kernel_untrusted', // the release is not signed by a pinned key
  'kernel_refused', // compile, link or xee_init failed
  'output_invalid',
  'self_test_failed',
  'engine_failed', // the native runtime is missing, or broke
  'host_stopped', // the volunteer gave the task back
  'internal',
])
export type RunErrorCode = z.infer<typeof RunErrorCode>
