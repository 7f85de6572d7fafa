import { z } from 'zod'
import { type CampaignId, ExperimentId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, selectFirst } from './rows.ts'
import { leadingOf } from './scores.ts'

const BestRow = z.object({
  experimentId: ExperimentId.nullable(),
  goal: z.enum(['minimize', 'maximize']),
  among: z.array(ExperimentId),
})

/** Locks a campaign and reads of which best its followers were told, and the `most` experiments that may be it by their valid runs. */
export const lockBest = (
  trx: Trx,
  id: CampaignId,
  most: number,
): Promise<z.infer<typeof BestRow> | undefined> => selectFirst(trx, BestRow, LOCK, { id, most })

/** Writes down of which best the followers of a locked campaign are told now; null: of none. */
export const changeBest = (trx: Trx, id: CampaignId, experimentId: ExperimentId | null): Promise<number> =>
  execute(trx, CHANGE, { id, experimentId })

// By an index: however large the campaign is, few rows are looked at.
const LOCK = `
  select best_experiment_id as "experimentId", file->'metric'->>'goal' as goal,
    array(select experiment_id from (${leadingOf(':most')}) as l order by place) as among
  from campaigns c where id = :id for no key update`

const CHANGE = `update campaigns set best_experiment_id = :experimentId where id = :id`
