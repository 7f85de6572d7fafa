import { z } from 'zod'
import { Act, type ActView } from '#protocol/acts.ts'
import { ActId, type Instant, type Sha256, toWire, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const ActRow = z.object({
  id: ActId,
  at: Timestamp,
  byUser: UserId.nullable(),
  byName: z.string().nullable(),
  act: Act,
  reason: z.string(),
  touched: z.int(),
  sentence: z.string(),
  inverse: Act.nullable(),
  undoUntil: Timestamp.nullable(),
  undoneBy: ActId.nullable(),
  undoes: ActId.nullable(),
})
export type ActRow = z.infer<typeof ActRow>

export interface NewAct {
  readonly id: ActId
  readonly byUser: UserId | null
  /** Of the token that it was previewed under; null: of none. */
  readonly preview: Sha256 | null
  readonly act: Act
  readonly subject: string | null
  readonly reason: string
  readonly undoes: ActId | null
}

/**
 * Begins an act: its row, which waits for whoever acts under the same preview, or undoes the same act. False when that was
 * done. `finishAct` says what came of it in the same transaction.
 */
export const beginAct = async (trx: Trx, { act, ...row }: NewAct, now: Instant): Promise<boolean> =>
  (await execute(trx, BEGIN, { ...row, kind: act.kind, act: JSON.stringify(act), now: toDb(now) })) === 1

interface Done {
  readonly touched: number
  readonly sentence: string
  readonly inverse: Act | null
  readonly undoUntil: Instant | null
}

/** What an act did, and how it is taken back. */
export async function finishAct(trx: Trx, id: ActId, { inverse, undoUntil, ...done }: Done): Promise<void> {
  const text = inverse === null ? null : JSON.stringify(inverse)
  await execute(trx, FINISH, { id, ...done, inverse: text, undoUntil: toDb(undoUntil) })
}

/** Marks an act as undone by another one. */
export const markUndone = (trx: Trx, id: ActId, undoneBy: ActId): Promise<number> =>
  execute(trx, UNDONE, { id, undoneBy })

export const findAct = (on: Executor, id: ActId): Promise<ActRow | undefined> =>
  selectFirst(on, ActRow, `${SELECT} where a.id = :id`, { id })

/** The act that was done under a preview. */
export const findActOf = (on: Executor, preview: Sha256): Promise<ActRow | undefined> =>
  selectFirst(on, ActRow, `${SELECT} where a.preview = :preview`, { preview })

export interface ActFilter {
  readonly kind: string | null
  readonly by: UserId | null
  readonly subject: string | null
}

/** Acts, the newest first. */
export const listActs = (
  on: Executor,
  filter: ActFilter,
  page: { after: ActId | null; limit: number },
): Promise<ActRow[]> => select(on, ActRow, LIST, { ...filter, ...page })

export const viewAct = ({ at, byUser, byName, undoUntil, inverse: _, ...row }: ActRow): ActView => ({
  ...row,
  at: toWire(at),
  by: byUser === null ? null : { userId: byUser, name: byName ?? '' },
  undoUntil: undoUntil === null ? null : toWire(undoUntil),
})

const SELECT = `
  select a.id, a.at, a.by_user as "byUser", u.name as "byName", a.act, a.reason, a.touched, a.sentence, a.inverse,
    a.undo_until as "undoUntil", a.undone_by as "undoneBy", a.undoes
  from operator_acts a left join users u on u.id = a.by_user`

const BEGIN = `
  insert into operator_acts (id, at, by_user, preview, kind, act, subject, reason, touched, sentence, undoes)
  values (:id, :now, :byUser, :preview, :kind, :act, :subject, :reason, 0, '', :undoes) on conflict do nothing`

const FINISH = `
  update operator_acts set touched = :touched, sentence = :sentence, inverse = cast(:inverse as jsonb),
    undo_until = cast(:undoUntil as timestamptz) where id = :id`

const UNDONE = `update operator_acts set undone_by = :undoneBy where id = :id and undone_by is null`

const LIST = `${SELECT}
  where (cast(:kind as text) is null or a.kind = :kind) and (cast(:by as text) is null or a.by_user = :by)
    and (cast(:subject as text) is null or a.subject = :subject)
    and (cast(:after as text) is null or a.id < :after)
  order by a.id desc limit :limit`
