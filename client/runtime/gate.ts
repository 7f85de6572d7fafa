import type { Order, RunControl, Slice } from './run.ts'

// At most this much computing is lost to a SIGKILL.
const CHECKPOINT_MS = 30_000

/** One run as its host sees it: held, throttled, stopped, checkpointed, always between two steps. */
export interface Gate {
  readonly control: RunControl
  /** Ends the run at its next step boundary, also out of a pause. */
  stop(): void
  /** Looks again whether the host is on hold. */
  nudge(): void
}

export interface GateRules {
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Share of a core's time to compute, above 0 and at most 1. */
  readonly share: () => number
  readonly onHold: () => boolean
  readonly onSlice: (slice: Slice) => void
  readonly save: (checkpoint: Uint8Array) => Promise<void>
  readonly checkpointMs?: number | undefined
}

/** The host's side of one run: answers each slice when, and as, the rules say. */
export function openGate(rules: GateRules): Gate {
  const every = rules.checkpointMs ?? CHECKPOINT_MS
  let stopped = false
  let wake: (() => void) | undefined
  let savedAt = rules.nowMs()
  let savedForHold = false

  async function gate(slice: Slice): Promise<Order> {
    rules.onSlice(slice)
    if (stopped) return 'stop'
    const held = rules.onHold()
    // A pause may last for days: what was computed goes to disk before it.
    const due = rules.nowMs() - savedAt >= every || (held && !savedForHold)
    savedForHold = held
    if (due) {
      savedAt = rules.nowMs()
      return 'checkpoint'
    }
    if (held) await untilReleased()
    if (!stopped) await rest(slice.busyMs)
    return stopped ? 'stop' : 'go'
  }

  async function untilReleased(): Promise<void> {
    while (rules.onHold() && !stopped) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }

  /** A duty cycle: after busyMs of computing at share s, (1 − s)/s as long without. */
  async function rest(busyMs: number): Promise<void> {
    const share = rules.share()
    const restMs = (busyMs * (1 - share)) / share
    if (restMs >= 1) await rules.sleep(restMs)
  }

  const nudge = (): void => wake?.()
  return {
    control: { gate, save: rules.save, nowMs: rules.nowMs },
    stop: () => {
      stopped = true
      nudge()
    },
    nudge,
  }
}
