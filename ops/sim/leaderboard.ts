import type { Run } from './truth.ts'

interface Shown<Liar> {
  readonly metric: number
  readonly wrong: Liar | null
  counted: boolean // as a wrong record
}

/** What a visitor of the campaign pages sees, to know when a wrong result leads. */
export interface Leaderboard<Liar> {
  /**
   * A result is public from now on. Gives whose wrong results thereby stand as a record: as the campaign's best, or
   * behind one of the ten best experiments by mean. Each is given once.
   */
  publish(run: Run, metric: number, wrong: Liar | null): readonly Liar[]
  withdraw(run: Run): void
}

const TOP = 10

export function newLeaderboard<Liar>(): Leaderboard<Liar> {
  const campaigns = new Map<number, Map<number, Map<number, Shown<Liar>>>>()
  const experimentsOf = (campaign: number) => {
    const known = campaigns.get(campaign) ?? new Map<number, Map<number, Shown<Liar>>>()
    campaigns.set(campaign, known)
    return known
  }
  return {
    publish: (run, metric, wrong) => {
      const experiments = experimentsOf(run.campaign)
      const row = experiments.get(run.ordinal) ?? new Map<number, Shown<Liar>>()
      experiments.set(run.ordinal, row)
      const before = row.get(run.seedIndex)
      if (before?.wrong !== wrong || before.metric !== metric)
        row.set(run.seedIndex, { metric, wrong, counted: false })
      const suspects = [...row.values()].filter(shown => shown.wrong !== null && !shown.counted)
      if (suspects.length === 0) return []
      const leads = suspects.filter(shown => isRecord(experiments, row, shown))
      for (const shown of leads) shown.counted = true
      return leads.flatMap(shown => (shown.wrong === null ? [] : [shown.wrong]))
    },
    withdraw: run => void experimentsOf(run.campaign).get(run.ordinal)?.delete(run.seedIndex),
  }
}

type Row<Liar> = ReadonlyMap<number, Shown<Liar>>

function isRecord<Liar>(
  experiments: ReadonlyMap<number, Row<Liar>>,
  row: Row<Liar>,
  shown: Shown<Liar>,
): boolean {
  const mean = meanOf(row)
  let better = 0
  let isBest = true
  for (const other of experiments.values()) {
    for (const { metric } of other.values()) if (metric < shown.metric) isBest = false
    if (other !== row && other.size > 0 && meanOf(other) < mean) better++
  }
  return isBest || better < TOP
}

function meanOf(row: Row<unknown>): number {
  let sum = 0
  for (const { metric } of row.values()) sum += metric
  return sum / row.size
}
