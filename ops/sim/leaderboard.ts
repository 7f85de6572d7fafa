import { shownRows } from '#domain/records.ts'
import type { Run } from './truth.ts'

/** A published run; `wrong`: whose answer it is. */
interface Published<Liar> {
  readonly metric: number
  readonly verified: boolean
  readonly wrong: Liar | null
}

interface Shown<Liar> extends Published<Liar> {
  counted: boolean // as a wrong record
}

/** What a visitor of the campaign pages sees, to know when a wrong result leads. */
export interface Leaderboard<Liar> {
  /**
   * A result is public from now on. Gives whose wrong results thereby stand as a record: as the campaign's best, or
   * behind one of the ten best experiments by mean that are shown. Each is given once.
   */
  publish(run: Run, published: Published<Liar>): readonly Liar[]
  withdraw(run: Run): void
}

const TOP = 10

/** `leaderRows`: so many rows are shown only when the verifier has seen every run. */
export function newLeaderboard<Liar>(leaderRows: number): Leaderboard<Liar> {
  const campaigns = new Map<number, Map<number, Map<number, Shown<Liar>>>>()
  const experimentsOf = (campaign: number) => {
    const known = campaigns.get(campaign) ?? new Map<number, Map<number, Shown<Liar>>>()
    campaigns.set(campaign, known)
    return known
  }
  return {
    publish: (run, published) => {
      const experiments = experimentsOf(run.campaign)
      const row = experiments.get(run.ordinal) ?? new Map<number, Shown<Liar>>()
      experiments.set(run.ordinal, row)
      const before = row.get(run.seedIndex)
      const isSame = before?.wrong === published.wrong && before.metric === published.metric
      row.set(run.seedIndex, { ...published, counted: isSame && before.counted })
      const suspects = [...row.values()].filter(shown => shown.wrong !== null && !shown.counted)
      if (suspects.length === 0) return []
      const leads = suspects.filter(shown => isRecord(experiments, { row, shown, leaderRows }))
      for (const shown of leads) shown.counted = true
      return leads.flatMap(shown => (shown.wrong === null ? [] : [shown.wrong]))
    },
    withdraw: run => void experimentsOf(run.campaign).get(run.ordinal)?.delete(run.seedIndex),
  }
}

type Row<Liar> = ReadonlyMap<number, Shown<Liar>>

function isRecord<Liar>(
  experiments: ReadonlyMap<number, Row<Liar>>,
  { row, shown, leaderRows }: { row: Row<Liar>; shown: Shown<Liar>; leaderRows: number },
): boolean {
  const mean = meanOf(row)
  const rows: { readonly mean: number; readonly unverified: number; readonly mine: boolean }[] = []
  let isBest = true
  for (const other of experiments.values()) {
    for (const { metric } of other.values()) if (metric < shown.metric) isBest = false
    const mine = other === row
    if (mine || (other.size > 0 && meanOf(other) < mean))
      rows.push({ mean: meanOf(other), unverified: unverifiedOf(other), mine })
  }
  const best = rows.sort((a, b) => a.mean - b.mean)
  return (
    isBest ||
    shownRows(best, leaderRows)
      .slice(0, TOP)
      .some(({ mine }) => mine)
  )
}

function unverifiedOf(row: Row<unknown>): number {
  let count = 0
  for (const { verified } of row.values()) if (!verified) count++
  return count
}

function meanOf(row: Row<unknown>): number {
  let sum = 0
  for (const { metric } of row.values()) sum += metric
  return sum / row.size
}
