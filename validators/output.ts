import { RunReport } from '#protocol/report.ts'
import type { Unreadable } from './validator.ts'

export interface ReadOutput {
  /** RFC 8785, so that equal reports are equal texts and hence equal digests. */
  readonly text: string
  readonly report: RunReport
}

/** The report in an output; unreadable with the path of the first field that is wrong. */
export function readOutput(text: string): ReadOutput | Unreadable {
  const report = RunReport.safeParse(parseJson(text))
  if (report.success) return { text, report: report.data }
  const [issue] = report.error.issues
  return { unreadable: `${['report', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'invalid'}` }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a stranger's text: RunReport refuses it
  }
}
