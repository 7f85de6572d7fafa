// Which faults come when: drawn from one number, so that a run that lost something can be had again.

import { mulberry32 } from '../kill.ts'

/** Everything that can go wrong in a run. */
export const FAULTS = [
  'kill_http',
  'kill_work',
  'kill_leader',
  'kill_client',
  'kill_backend',
  'kill_postgres',
  'restart_postgres',
  'cut_leader',
  'cut_database',
  'stall_database',
  'drop_database',
  'cut_clients',
  'stall_clients',
  'drop_clients',
  'clock_jump',
  'report_twice',
  'job_twice',
  'upgrade',
  'poison',
  'slow_disk',
  'full_disk',
] as const
export type FaultKind = (typeof FAULTS)[number]

export interface Fault {
  readonly kind: FaultKind
  /** After the hosts began to work. */
  readonly atMs: number
  /** For what the fault still has to choose: how long, which process, how far; in [0, 1). */
  readonly draw: number
}

/** One run: a campaign, and what happens to it. */
export interface Plan {
  readonly seed: number
  readonly quorum: 1 | 2
  readonly faults: readonly Fault[]
}

const FAULTS_PER_RUN = 7
const LAST_AT_MS = 3_500

/** The plan of a seed. `possible`: what this machine lets us do. */
export function drawPlan(seed: number, possible: readonly FaultKind[]): Plan {
  const rng = mulberry32(seed)
  const left = [...possible]
  const faults: Fault[] = []
  while (faults.length < FAULTS_PER_RUN && left.length > 0) {
    const [kind] = left.splice(Math.floor(rng() * left.length), 1)
    if (kind !== undefined) faults.push({ kind, atMs: Math.floor(rng() * LAST_AT_MS), draw: rng() })
  }
  return { seed, quorum: rng() < 0.5 ? 1 : 2, faults: faults.toSorted((a, b) => a.atMs - b.atMs) }
}

/** A whole number of [min, max] by a draw. */
export const between = (draw: number, min: number, max: number): number =>
  min + Math.floor(draw * (max - min + 1))
