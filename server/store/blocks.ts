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
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

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
    grants: z.array(z.string()).nullable(),
    reason: z.string().nullable(),
    createdAt: Timestamp,
  })
  .transform(
    // A field that is not there is in no hash: rows are what they were when they were sealed without it.
    ({ createdAt, grants, ...row }): LedgerRow => ({
      ...row,
      ...(grants === null ? {} : { grants }),
      at: toWire(createdAt),
    }),
  )

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
  readonly ids: readonly number[] // in the order of the chain
  readonly leaves: readonly Sha256[] // of each
}

/** Appends a block, which names its rows and keeps the hash of each. */
export async function insertBlock(trx: Trx, block: NewBlock): Promise<void> {
  const { hash, signature, statement } = block.head
  await execute(trx, INSERT_BLOCK, {
    ...{ number: statement.number, hash, signature, statement: block.statementText, ...block.last },
    ...{ ids: block.ids, minId: Math.min(...block.ids), maxId: Math.max(...block.ids) },
    leaves: block.leaves.join(''),
  })
}

const NamedRow = z.object({ ids: z.array(z.int()), leaves: z.string() })

/** The rows of a block as they are today, each with the hash it had; a deleted one is null. */
export async function readSealed(on: Executor, { statement }: LedgerHead): Promise<SealedRow[]> {
  const { number, rows, count } = statement
  const { ids, leaves } = await selectOne(on, NamedRow, NAMED, { number })
  const found = new Map((await select(on, TransferRow, TRANSFERS, { ids })).map(row => [row.id, row]))
  return ids.map((id, i) => ({
    n: rows - count + i + 1,
    leaf: Sha256.parse(leaves.slice(i * LEAF_DIGITS, (i + 1) * LEAF_DIGITS)),
    row: found.get(id) ?? null,
  }))
}

const LEAF_DIGITS = 64 // hexadecimal

const BLOCKS_PER_PAGE = 20

/** The chain after a block, a block and its rows at a time: all of it, or so many blocks. */
export async function* chainLines(
  on: Executor,
  { after: first, blocks }: { after: number; blocks: number } = { after: 0, blocks: Infinity },
): AsyncGenerator<readonly LedgerLine[]> {
  for (let after = first; after < first + blocks; ) {
    const limit = Math.min(BLOCKS_PER_PAGE, first + blocks - after)
    const heads = await headsAfter(on, { after, limit })
    for (const block of heads) yield [{ block }, ...(await readSealed(on, block))]
    const last = heads.at(-1)
    if (last === undefined) return
    after = last.statement.number
  }
}

/** Blocks after `after` (0: from the first) up to `through`. */
interface Stretch {
  readonly after: number
  readonly through: number
}

/**
 * Rows before the end of the chain that are in no block, with ids from where block `after` ends to where block `through` does: somebody
 * put them there.
 */
export const countSmuggled = (on: Executor, blocks: Stretch): Promise<number> => countIn(on, SMUGGLED, blocks)

/** Rows of these blocks that name a result or a campaign which is not there. */
export const countDangling = (on: Executor, blocks: Stretch): Promise<number> => countIn(on, DANGLING, blocks)

// Some blocks at a time, so that their rows fit in memory.
async function countIn(on: Executor, sql: string, { after: first, through: last }: Stretch): Promise<number> {
  let counted = 0
  for (let after = first; after < last; after += BLOCKS_PER_PAGE) {
    const through = Math.min(after + BLOCKS_PER_PAGE, last)
    counted += (await selectOne(on, z.object({ count: z.int() }), sql, { after, through })).count
  }
  return counted
}

const RoundRow = z.object({ after: z.int(), begunAt: Timestamp.nullable() })
/** How far the chain was looked through in this round, and since when. */
export type Round = z.infer<typeof RoundRow>

/** Where the next look begins, and since when the round goes on; `begunAt` null: it has not begun. */
export const readRound = (on: Executor): Promise<Round> => selectOne(on, RoundRow, READ_ROUND)

/** Notes how far a round has come. */
export const saveRound = (on: Executor, { after, begunAt }: Round): Promise<number> =>
  execute(on, SAVE_ROUND, { after, begunAt: toDb(begunAt) })

const UnsealedRow = z.looseObject({ xid: z.string() })

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
  t.campaign_id as "campaignId", t.result_id as "resultId", t.grants, t.reason, t.created_at as "createdAt"`

const UNSEALED = `
  select cast(t.xid as text) as xid, ${COLUMNS} from transfers t
  where (t.xid, t.id) > (cast(:lastXid as xid8), cast(:lastId as bigint))
    and t.xid < pg_snapshot_xmin(pg_current_snapshot())
  order by t.xid, t.id limit :limit`

const KNOWS_XID = `select cast(:xid as xid8) < pg_snapshot_xmax(pg_current_snapshot()) as known`

const INSERT_BLOCK = `
  insert into blocks (number, hash, statement, signature, last_xid, last_id, ids, leaves, min_id, max_id, form)
  values (:number, :hash, :statement, :signature, cast(:lastXid as xid8), :lastId, cast(:ids as bigint[]), decode(:leaves, 'hex'), :minId, :maxId, 2)`

const NAMED = `select to_json(ids) as ids, encode(leaves, 'hex') as leaves from blocks where number = :number`

const TRANSFERS = `select ${COLUMNS} from transfers t where t.id = any(cast(:ids as bigint[]))`

/** Whether block b has the row with this id, in SQL; by ids, since transactions are counted anew in a restored copy. */
export const isNamed = (id: string): string =>
  `int8range(b.min_id, b.max_id, '[]') @> ${id} and ${id} = any(b.ids)`

const maxIdOf = (block: string): string => `(select max_id from blocks where number = ${block})`

// Windows of blocks part all ids between them, each from the largest of the block before it to that of its own last one: all blocks of a restored
// copy end with the same transaction. What comes after the end of the chain is not sealed yet. What these blocks do not name is looked for in all
// of them; it is a few rows. A join could compare each row with each.
const SMUGGLED = `
  with strange as materialized (
    select t.id from transfers t
    where t.id > coalesce(${maxIdOf(':after')}, -9223372036854775808)
      and t.id <= case when exists (select from blocks where number > :through)
        then coalesce(${maxIdOf(':through')}, 9223372036854775807) else 9223372036854775807 end
      and (t.xid, t.id) <= (select last_xid, last_id from blocks order by number desc limit 1)
    except select unnest(ids) from blocks where number > :after and number <= :through)
  select count(*) as count from strange where not exists (select from blocks b where ${isNamed('strange.id')})`

const DANGLING = `
  select count(*) as count from blocks b cross join lateral unnest(b.ids) as n (id) join transfers t on t.id = n.id
  where b.number > :after and b.number <= :through and (
    not exists (select from campaigns c where c.id = t.campaign_id) and t.campaign_id is not null
    or exists (
      select from unnest(array_append(t.grants, t.result_id)) as g (name)
      where g.name is not null and not exists (select from results r where r.id = split_part(g.name, ':', 1))))`

const READ_ROUND = `select after_block as after, begun_at as "begunAt" from chain_round`

const SAVE_ROUND = `update chain_round set after_block = :after, begun_at = cast(:begunAt as timestamptz)`
