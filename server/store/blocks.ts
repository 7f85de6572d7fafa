import { z } from 'zod'
import {
  BlockStatement,
  LedgerHead,
  type LedgerLine,
  type LedgerRow,
  type SealedRow,
} from '#protocol/ledger.ts'
import { Sha256, toWire } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

/** Takes the sealer's lock until the transaction ends; false when another process has it. */
export const lockSealer = async (trx: Trx): Promise<boolean> =>
  (await selectOne(trx, z.object({ locked: z.boolean() }), LOCK)).locked

const PositionRow = z.object({ lastXid: z.string(), lastId: z.int() })
/** The last row of the chain, in (xid, id) order. */
export type Position = z.infer<typeof PositionRow>

const HeadRow = z
  .object({ hash: Sha256, statement: z.string(), signature: z.string() })
  .transform(
    ({ statement, ...head }): LedgerHead =>
      LedgerHead.parse({ ...head, statement: BlockStatement.parse(JSON.parse(statement)) }),
  )

/** The head of the chain and where it ends; undefined before the first block. */
export async function lastBlock(on: Executor): Promise<(Position & { head: LedgerHead }) | undefined> {
  const position = await selectFirst(on, PositionRow, LAST_POSITION)
  const [head] = await listHeads(on, { before: null, limit: 1 })
  return position === undefined || head === undefined ? undefined : { ...position, head }
}

/** Heads before block `before` (null: from the end), newest first. */
export const listHeads = (
  on: Executor,
  page: { before: number | null; limit: number },
): Promise<LedgerHead[]> => select(on, HeadRow, HEADS, page)

/** Heads of the blocks after `after`, oldest first. */
export const headsAfter = (on: Executor, page: { after: number; limit: number }): Promise<LedgerHead[]> =>
  select(on, HeadRow, HEADS_AFTER, page)

const TransferRow = z
  .object({
    id: z.int(),
    key: z.string(),
    kind: z.string(),
    debit: z.string(),
    credit: z.string(),
    amountMilli: z.int(),
    campaignId: z.string().nullable(),
    resultId: z.string().nullable(),
    reason: z.string().nullable(),
    createdAt: Timestamp,
  })
  .transform(({ createdAt, ...row }): LedgerRow => ({ ...row, at: toWire(createdAt) }))

/**
 * Committed rows after `after`, in (xid, id) order, none of a transaction that anybody might still add to: below the
 * oldest one that runs. So no row can come to stand before one that was given.
 */
export async function rowsToSeal(
  trx: Trx,
  after: Position | undefined,
  limit: number,
): Promise<{ xid: string; row: LedgerRow }[]> {
  const { lastXid, lastId } = after ?? { lastXid: '0', lastId: 0 }
  const rows = await select(trx, UnsealedRow, UNSEALED, { lastXid, lastId, limit })
  return rows.map(({ xid, ...row }) => ({ xid, row: TransferRow.parse(row) }))
}

/** Whether this database knows of the transactions in the chain: a copy restored into a new cluster does not. */
export const knowsXid = async (on: Executor, xid: string): Promise<boolean> =>
  (await selectOne(on, z.object({ known: z.boolean() }), KNOWS_XID, { xid })).known

export interface NewBlock {
  readonly head: LedgerHead
  readonly statementText: string // the bytes under the hash
  readonly last: Position
  readonly sealed: readonly {
    readonly position: number
    readonly transferId: number
    readonly leaf: Sha256
  }[]
}

/** Appends a block and the places of its rows. */
export async function insertBlock(trx: Trx, { head, statementText, last, sealed }: NewBlock): Promise<void> {
  const { hash, signature, statement } = head
  const { number } = statement
  await execute(trx, INSERT_BLOCK, { number, hash, signature, statement: statementText, ...last })
  await execute(trx, INSERT_SEALED, {
    block: number,
    positions: column(sealed, s => s.position),
    ids: column(sealed, s => s.transferId),
    leaves: column(sealed, s => s.leaf),
  })
}

/** Rows of the chain after place `after`, up to place `through`; a deleted one is null. */
export async function readSealed(
  on: Executor,
  range: { after: number; through: number },
): Promise<SealedRow[]> {
  const rows = await select(on, SealedRowRow, SEALED, range)
  return rows.map(({ n, leaf, ...row }) => ({
    n,
    leaf,
    row: row.id === null ? null : TransferRow.parse(row),
  }))
}

const BLOCKS_PER_PAGE = 20

/** The chain after a block, a block and its rows at a time: all of it, or so many blocks. */
export async function* chainLines(
  on: Executor,
  { after: first, blocks }: { after: number; blocks: number } = { after: 0, blocks: Infinity },
): AsyncGenerator<readonly LedgerLine[]> {
  for (let after = first; after < first + blocks; ) {
    const limit = Math.min(BLOCKS_PER_PAGE, first + blocks - after)
    const heads = await headsAfter(on, { after, limit })
    for (const block of heads) {
      const { rows, count } = block.statement
      yield [{ block }, ...(await readSealed(on, { after: rows - count, through: rows }))]
    }
    const last = heads.at(-1)
    if (last === undefined) return
    after = last.statement.number
  }
}

/** Rows that stand between the ends of these blocks (`after` 0: from the beginning) and are in none: somebody put them there. */
export const countSmuggled = async (
  on: Executor,
  between: { after: number; through: number },
): Promise<number> => (await selectOne(on, z.object({ count: z.int() }), SMUGGLED, between)).count

const RoundRow = z.object({ after: z.int(), begunAt: Timestamp.nullable() })
/** How far the chain was looked through in this round, and since when. */
export type Round = z.infer<typeof RoundRow>

export const readRound = (on: Executor): Promise<Round> => selectOne(on, RoundRow, READ_ROUND)

export const saveRound = (on: Executor, { after, begunAt }: Round): Promise<number> =>
  execute(on, SAVE_ROUND, { after, begunAt: toDb(begunAt) })

const UnsealedRow = z.looseObject({ xid: z.string() })
const SealedRowRow = z.looseObject({ n: z.int(), leaf: Sha256, id: z.int().nullable() })

const LOCK = `select pg_try_advisory_xact_lock(7316009) as locked`

const LAST_POSITION = `
  select cast(last_xid as text) as "lastXid", last_id as "lastId" from blocks order by number desc limit 1`

const HEADS = `
  select hash, statement, signature from blocks where number < coalesce(cast(:before as bigint), 9223372036854775807)
  order by number desc limit :limit`

const HEADS_AFTER = `
  select hash, statement, signature from blocks where number > :after order by number limit :limit`

const COLUMNS = `
  t.id, t.key, cast(t.kind as text) as kind, t.debit, t.credit, t.amount_milli as "amountMilli",
  t.campaign_id as "campaignId", t.result_id as "resultId", t.reason, t.created_at as "createdAt"`

const UNSEALED = `
  select cast(t.xid as text) as xid, ${COLUMNS} from transfers t
  where (t.xid, t.id) > (cast(:lastXid as xid8), cast(:lastId as bigint))
    and t.xid < pg_snapshot_xmin(pg_current_snapshot())
  order by t.xid, t.id limit :limit`

const KNOWS_XID = `select cast(:xid as xid8) < pg_snapshot_xmax(pg_current_snapshot()) as known`

const INSERT_BLOCK = `
  insert into blocks (number, hash, statement, signature, last_xid, last_id)
  values (:number, :hash, :statement, :signature, cast(:lastXid as xid8), :lastId)`

const INSERT_SEALED = `
  insert into sealed_transfers (position, block, transfer_id, leaf)
  select position, :block, id, leaf from unnest(:positions::bigint[], :ids::bigint[], :leaves::text[])
    as s (position, id, leaf)`

const SEALED = `
  select s.position as n, s.leaf, ${COLUMNS}
  from sealed_transfers s left join transfers t on t.id = s.transfer_id
  where s.position > :after and s.position <= :through order by s.position`

const endOf = (block: string, column: string): string =>
  `(select ${column} from blocks where number = ${block})`

const SMUGGLED = `
  select count(*) as count from transfers t
  where (t.xid, t.id) > (coalesce(${endOf(':after', 'last_xid')}, '0'), coalesce(${endOf(':after', 'last_id')}, 0))
    and (t.xid, t.id) <= (${endOf(':through', 'last_xid')}, ${endOf(':through', 'last_id')})
    and not exists (select from sealed_transfers s where s.transfer_id = t.id)`

const READ_ROUND = `select after_block as after, begun_at as "begunAt" from chain_round`

const SAVE_ROUND = `update chain_round set after_block = :after, begun_at = cast(:begunAt as timestamptz)`
