import { z } from 'zod'
import type { HiddenScore } from '#domain/evidence.ts'
import { HostId, type Instant, ResultId, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, toDb } from './rows.ts'

/** The hidden text of a data set; undefined: it has none. */
export const hiddenTextOf = async (on: Executor, datasetSha256: Sha256): Promise<Sha256 | undefined> =>
  (await selectFirst(on, z.object({ sha256: Sha256 }), OF, { datasetSha256 }))?.sha256

/** Makes a stored file the hidden text of a data set, in place of the one that it had. */
export const setHiddenText = (
  trx: Trx,
  text: { readonly datasetSha256: Sha256; readonly sha256: Sha256; readonly now: Instant },
): Promise<number> => execute(trx, SET, { ...text, now: toDb(text.now) })

const ScoreRow = z.object({
  resultId: ResultId,
  hostId: HostId,
  group: z.string(),
  claimed: z.number(),
  hidden: z.number(),
})

/** What weights reached on hidden texts since then, the newest `limit`. For flags only: no reply may carry the numbers. */
export const readHiddenScores = (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<HiddenScore[]> => select(on, ScoreRow, SCORES, { since: toDb(since), limit })

const OF = `select sha256 from hidden_texts where dataset_sha256 = :datasetSha256`

const SET = `
  insert into hidden_texts (dataset_sha256, sha256, added_at) values (:datasetSha256, :sha256, :now)
  on conflict (dataset_sha256) do update set sha256 = excluded.sha256, added_at = excluded.added_at`

const SCORES = `
  select r.id as "resultId", r.host_id as "hostId", w.kernel_sha256 || ' ' || e.hidden_sha256 as "group",
    r.metric as claimed, e.metric as hidden
  from evaluations e join results r on r.id = e.result_id join work_units w on w.id = r.work_unit_id
  where e.outcome = 'scored' and e.ended_at > :since order by e.ended_at desc limit :limit`
