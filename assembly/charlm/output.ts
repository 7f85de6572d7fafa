// What the kernel says: a short line while it runs, everything when it is over, a reason when it cannot start.

import { begin, write, writeFloat, writeInteger, written } from '../lib/writer'
import { OUTPUT_BYTES } from './arena'
import { shape } from './shape'
import { job } from './recipe'
import { batchFlops, progress, state } from './run'
import { DIVERGED, INFEASIBLE, OK, point, State } from './state'

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
export function writeOutput(complete: bool): void {
  const s = state()
  begin(buffer, OUTPUT_BYTES)
  write('{"status":"')
  write(statusText(s.status))
  write('","metric":')
  if (s.status == OK) {
    write('{"name":"val_bpb","value":')
    writeFloat(s.metric)
    write('}')
  } else write('null')
  write(',"curve":[')
  if (complete) writeCurve(s)
  write('],"counters":')
  writeCounters(s)
  write(',"train":')
  if (s.updates > 0) writeFloat(s.lastLoss)
  else write('null')
  write(',"progress":')
  writeFloat(progress())
  write('}')
  length = written()
}

function statusText(status: u32): string {
  if (status == OK) return 'ok'
  if (status == DIVERGED) return 'diverged'
  return status == INFEASIBLE ? 'infeasible' : 'running'
}

function writeCurve(s: State): void {
  for (let i: u32 = 0; i < s.points; i++) {
    const at = point(changetype<usize>(s), i)
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

function writeCounters(s: State): void {
  write('{"updates":')
  writeInteger(u64(s.updates))
  write(',"updatesPlanned":')
  writeInteger(u64(s.planned))
  write(',"tokens":')
  writeInteger(u64(s.updates) * u64(shape.batch * shape.context))
  write(',"parameters":')
  writeInteger(u64(shape.parameters))
  write(',"flops":')
  writeInteger(job.evaluate ? 0 : u64(s.updates) * batchFlops())
  write('}')
}
