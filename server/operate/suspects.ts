import type { Knex } from 'knex'
import { knowVal } from '#domain/evidence.ts'
import { type Residual, residualsOf, type Suspicion, suspicionOf } from '#domain/residual.ts'
import type { Instant } from '#protocol/units.ts'
import { type RecordRow, readObservations, readRecords } from '#store/fraud.ts'
import { readHiddenScores } from '#store/hidden.ts'

const OBSERVATIONS_MAX = 200_000
const SCORES_MAX = 20_000

export interface Suspect extends Residual, Suspicion, RecordRow {
  readonly hostId: RecordRow['hostId']
}

// Of a host whose weights alone were looked at.
const NOTHING_SEEN = { results: 0, metric: null, time: null, errors: null } as const

/** Every host that reported since then, the most suspicious first. */
export async function findSuspects(knex: Knex, { since }: { since: Instant }): Promise<Suspect[]> {
  const observations = await readObservations(knex, { since, limit: OBSERVATIONS_MAX })
  const residuals = new Map(residualsOf(observations).map(residual => [residual.hostId, residual]))
  const scores = await readHiddenScores(knex, { since, limit: SCORES_MAX })
  const knowing = Map.groupBy(knowVal(scores), score => score.hostId)
  const records = await readRecords(knex, [...new Set([...residuals.keys(), ...knowing.keys()])])
  const suspects = records.flatMap(record => {
    const { hostId } = record
    const residual = residuals.get(hostId) ?? { hostId, ...NOTHING_SEEN }
    const facts = { ...record, knowingVal: knowing.get(hostId)?.length ?? 0 }
    return [{ ...residual, ...record, ...suspicionOf(residual, facts) }]
  })
  return suspects.toSorted((a, b) => b.score - a.score || (a.hostId < b.hostId ? -1 : 1))
}
