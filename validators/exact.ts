import type { RunReport } from '#protocol/report.ts'
import { type ReadOutput, readOutput } from './output.ts'
import type { Validator } from './validator.ts'

/** For engine classes whose outputs are the same bytes everywhere: equal is equal byte for byte. */
export const exact: Validator<ReadOutput> = {
  name: 'exact',
  read: readOutput,
  same: (a, b) => a.text === b.text,
  whereTheyPart: (a, b) => firstMark(a.report, b.report),
}

/** The first mark of the trace that differs. */
function firstMark(a: RunReport, b: RunReport): string {
  const marks = Math.max(a.trace.length, b.trace.length)
  const mark = Array.from({ length: marks }, (_, k) => k).find(k => a.trace[k] !== b.trace[k])
  if (mark !== undefined) return `the traces differ from mark ${mark + 1} of ${marks}`
  return a.status === b.status ? 'equal traces, different outputs' : `${a.status} against ${b.status}`
}
