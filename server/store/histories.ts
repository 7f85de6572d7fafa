import type { CampaignId } from '#protocol/units.ts'
import type { Executor } from './rows.ts'
import { type ReportRow, readReports, readTrials, type TrialRow } from './search.ts'

/** What a campaign has tried, and what its sampler was told. Both only grow: do not change them, nor keep them for later. */
export interface KnownHistory {
  readonly trials: readonly TrialRow[]
  readonly reports: readonly ReportRow[]
}

/** Remembers histories, so that a look reads what is new only. Forgetting costs time, nothing else. */
export interface Histories {
  /** The history as it is now. Every trial that a report is of is there. */
  read(on: Executor, id: CampaignId): Promise<KnownHistory>
}

// A trial and its report take a kilobyte or two: some hundred megabytes at most.
const TRIALS_MAX = 200_000

export function openHistories(trialsMax = TRIALS_MAX): Histories {
  const known = new Map<CampaignId, { readonly trials: TrialRow[]; readonly reports: ReportRow[] }>()

  /** Those that nobody asked for longest go first. */
  function forget(but: CampaignId): void {
    let remembered = known.values().reduce((sum, { trials }) => sum + trials.length, 0)
    for (const [id, { trials }] of known) {
      if (remembered <= trialsMax) return
      if (id === but) continue
      known.delete(id)
      remembered -= trials.length
    }
  }

  return {
    read: async (on, id) => {
      const mine = known.get(id) ?? { trials: [], reports: [] }
      known.delete(id)
      known.set(id, mine)
      // Reports first: whoever is read after them has the trials that they are of.
      const [fromReport, fromTrial] = [mine.reports.length, mine.trials.length]
      const reports = await readReports(on, id, fromReport)
      const trials = await readTrials(on, id, fromTrial)
      // Somebody else may have read the same rows meanwhile.
      mine.reports.push(...reports.slice(mine.reports.length - fromReport))
      mine.trials.push(...trials.slice(mine.trials.length - fromTrial))
      forget(id)
      return mine
    },
  }
}
