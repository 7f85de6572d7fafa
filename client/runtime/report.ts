import { z } from 'zod'
import { canonicalJson, sha256, sha256Text } from '#protocol/canonical.ts'
import { RunReport } from '#protocol/report.ts'
import type { Sha256 } from '#protocol/units.ts'
import type { KernelOutput } from './output.ts'

interface Ended {
  readonly output: KernelOutput
  readonly fuelUsed: number
  readonly trace: readonly Sha256[]
  readonly artifact: Uint8Array
}

export type EndedReport =
  | { readonly ok: true; readonly report: RunReport; readonly artifact: Uint8Array | null }
  | { readonly ok: false; readonly reason: string }

/** The report of a run that ended by itself: the kernel's output, completed. Weights belong to status ok only. */
export async function endReport({ output, fuelUsed, trace, artifact }: Ended): Promise<EndedReport> {
  const ok = output.status === 'ok'
  const kept = ok && artifact.length > 0 ? artifact : null
  const parsed = RunReport.safeParse({
    status: output.status,
    metric: ok ? (output.metric ?? null) : null,
    curve: output.curve,
    counters: output.counters,
    fuelUsed,
    trace,
    artifactSha256: kept === null ? null : await sha256(kept),
  })
  if (parsed.success) return { ok: true, report: parsed.data, artifact: kept }
  return { ok: false, reason: z.prettifyError(parsed.error).slice(0, 400) }
}

/** The report of a run that trapped: where its last completed step left it, and no word of the engine's. */
export function trappedReport(at: { fuelUsed: number; steps: number; trace: readonly Sha256[] }): RunReport {
  return {
    status: 'trapped',
    metric: null,
    curve: [],
    counters: { steps: at.steps },
    fuelUsed: at.fuelUsed,
    trace: [...at.trace],
    artifactSha256: null,
  }
}

/** The exact text of a report and its digest. */
export async function reportText(
  report: RunReport,
): Promise<{ report: RunReport; text: string; digest: Sha256 }> {
  const text = canonicalJson(report)
  return { report, text, digest: await sha256Text(text) }
}
