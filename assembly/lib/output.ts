// What a kernel says: a short line while it runs, everything when it is over, a reason when it cannot start.

import { point, Counters, DIVERGED, INFEASIBLE, OK } from './state'
import { begin, write, writeFloat, writeInteger, written } from './writer'

export const OUTPUT_BYTES: u32 = 65536

/** What the counters cannot know. */
@unmanaged
export class Report {
  metric: string // its name
  items: string // what `itemsPerUpdate` counts: tokens, images, episodes
  itemsPerUpdate: u64
  parameters: u64
  flops: u64 // closed-form operations of the updates so far
  progress: f64 // 0 to 1
  extra: string | null // the name of one more counter of the kernel's own
  extraValue: f64
}

let buffer: usize = 0
let length: u32 = 0

/** Gives the text its place: OUTPUT_BYTES. */
export function setOutput(start: usize): void {
  buffer = start
}

export function outputStart(): usize {
  return buffer
}

export function outputLength(): u32 {
  return length
}

/** {"status":"error","reason":…}: what `xee_init` refused. */
export function writeError(reason: string, detail: string): void {
  begin(buffer, OUTPUT_BYTES)
  write('{"status":"error","reason":"')
  write(reason)
  write(detail)
  write('"}')
  length = written()
}

/** The present state; the curve only with `complete`, since a text written in every slice costs fuel in every slice. */
export function writeOutput(s: Counters, report: Report, complete: bool): void {
  begin(buffer, OUTPUT_BYTES)
  write('{"status":"')
  write(statusText(s.status))
  write('","metric":')
  if (s.status == OK) {
    write('{"name":"')
    write(report.metric)
    write('","value":')
    writeFloat(s.metric)
    write('}')
  } else write('null')
  write(',"curve":[')
  if (complete) writeCurve(s)
  write('],"counters":')
  writeCounters(s, report)
  write(',"train":')
  if (s.updates > 0) writeFloat(s.lastLoss)
  else write('null')
  write(',"progress":')
  writeFloat(report.progress)
  write('}')
  length = written()
}

function statusText(status: u32): string {
  if (status == OK) return 'ok'
  if (status == DIVERGED) return 'diverged'
  return status == INFEASIBLE ? 'infeasible' : 'running'
}

function writeCurve(s: Counters): void {
  for (let i: u32 = 0; i < s.points; i++) {
    const at = point(i)
    write(i == 0 ? '{"update":' : ',{"update":')
    writeInteger(u64(at.update))
    write(',"fuel":')
    writeFloat(at.fuel)
    write(',"train":')
    writeFloat(at.train < 0 ? NaN : at.train)
    write(',"val":')
    writeFloat(at.hasVal ? at.val : NaN)
    write('}')
  }
}

function writeCounters(s: Counters, report: Report): void {
  write('{"updates":')
  writeInteger(u64(s.updates))
  write(',"updatesPlanned":')
  writeInteger(u64(s.planned))
  write(',"')
  write(report.items)
  write('":')
  writeInteger(u64(s.updates) * report.itemsPerUpdate)
  write(',"parameters":')
  writeInteger(report.parameters)
  write(',"flops":')
  writeInteger(report.flops)
  writeExtra(report.extra, report.extraValue)
  write('}')
}

function writeExtra(name: string | null, value: f64): void {
  if (name === null) return
  write(',"')
  write(name)
  write('":')
  writeFloat(value)
}
