import { RunReport } from '#protocol/report.ts'
import type { Validator } from './validator.ts'

export interface ExactOutput {
  /** RFC 8785, so that equal reports are equal texts and hence equal digests. */
  readonly text: string
  readonly report: RunReport
}

/** For engine classes whose outputs are the same bytes everywhere: equal is equal byte for byte. */
export const exact: Validator<ExactOutput> = {
  name: 'exact',
  read: text => {
    const report = RunReport.safeParse(parseJson(text))
    if (report.success) return { text, report: report.data }
    const [issue] = report.error.issues
    return { unreadable: `${['report', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'invalid'}` }
  },
  same: (a, b) => a.text === b.text,
}

/** Where two runs of one job parted, as a sentence: the first mark of the trace that differs, for people to read. */
export function whereTheyPart(a: RunReport, b: RunReport): string {
  const marks = Math.max(a.trace.length, b.trace.length)
  const mark = Array.from({ length: marks }, (_, k) => k).find(k => a.trace[k] !== b.trace[k])
  if (mark !== undefined) return `the traces differ from mark ${mark + 1} of ${marks}`
  return a.status === b.status ? 'equal traces, different outputs' : `${a.status} against ${b.status}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a stranger's text: RunReport refuses it
  }
}
