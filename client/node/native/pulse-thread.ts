// The heartbeat of a process that computes natively, in a thread of its own: a call into the runtime stops the main one for a second
// or more. Each beat says how much memory the process has.

import { writeSync } from 'node:fs'
import { PULSE_FD, type Pulse } from './messages.ts'

// Often enough that memory does not get far out of hand, and a process that is gone is missed at once.
const BEAT_MS = 200

setInterval(() => {
  const pulse: Pulse = { rssBytes: process.memoryUsage.rss() }
  try {
    writeSync(PULSE_FD, `${JSON.stringify(pulse)}\n`)
  } catch (error) {
    // A parent that does not read for a while misses a beat; one that is gone ends us over the other channel.
    if (!(error instanceof Error && 'code' in error && /EAGAIN|EPIPE/.test(String(error.code)))) throw error
  }
}, BEAT_MS)
