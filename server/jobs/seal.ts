import type { Knex } from 'knex'
import { sha256Bytes } from '#domain/hash.ts'
import type { SigningKey } from '#kernels/sign.ts'
import { fromUtf8 } from '#protocol/canonical.ts'
import {
  BlockStatement,
  hashOf,
  type LedgerHead,
  leafOf,
  merkleRoot,
  statementBytes,
} from '#protocol/ledger.ts'
import { signBytes } from '#protocol/signature.ts'
import { type Instant, toWire } from '#protocol/units.ts'
import { insertBlock, knowsXid, lastBlock, lockSealer, rowsToSeal } from '#store/blocks.ts'
import { inBusyTransaction, type Trx } from '#store/database.ts'
import { EVERY_SECOND, repeat } from './cron.ts'
import type { JobLog } from './deps.ts'

export interface SealDeps {
  readonly knex: Knex
  /** By which key to sign in a transaction; undefined: it is not here, and another process may have it. */
  readonly keyIn: (trx: Trx) => Promise<SigningKey | undefined>
  readonly serverId: string
  readonly now: () => Instant
}

// A block is read, checked and shown as a whole: this many rows are some 300 KiB, and sealed in tens of milliseconds.
export const ROWS_PER_BLOCK_MAX = 1_000

/** Seals every second, until it is stopped. */
export function startSealer({ log, ...deps }: SealDeps & { readonly log: JobLog }): {
  stop(): Promise<void>
} {
  const task = repeat(log, { name: 'sealer', when: EVERY_SECOND, what: () => sealAll(deps) })
  return { stop: async () => void (await task.stop()) }
}

/**
 * Seals what is committed, block by block, until nothing is left; returns how many rows. Of several processes one works at
 * a time, and the next takes over where it was when it dies: a block is one transaction.
 */
export async function sealAll(deps: SealDeps): Promise<number> {
  for (let sealed = 0; ; ) {
    const count = await inBusyTransaction(deps.knex, trx => sealBlock(trx, deps))
    sealed += count
    if (count < ROWS_PER_BLOCK_MAX) return sealed
  }
}

/** The chain belongs to another cluster: PostgreSQL counts transactions anew there, so their order means nothing. */
class RestoredError extends Error {
  readonly code = 'ledger_restored'

  constructor(lastXid: string) {
    super(
      `the chain ends with transaction ${lastXid}, which this database has not reached, as after a restored dump: nothing is ` +
        'sealed until its counter is above that (stop PostgreSQL, pg_resetwal -x)',
    )
  }
}

async function sealBlock(trx: Trx, deps: SealDeps): Promise<number> {
  if (!(await lockSealer(trx))) return 0
  const last = await lastBlock(trx)
  if (last !== undefined && !(await knowsXid(trx, last.lastXid))) throw new RestoredError(last.lastXid)
  const key = await deps.keyIn(trx)
  if (key === undefined) return 0
  const rows = await rowsToSeal(trx, last, ROWS_PER_BLOCK_MAX)
  const end = rows.at(-1)
  if (end === undefined) return 0
  const leaves = rows.map(({ row }) => leafOf(row, sha256Bytes))
  const tree = { root: merkleRoot(leaves, sha256Bytes), count: rows.length }
  const head = await headOf({ ...deps, key }, last?.head, tree)
  await insertBlock(trx, {
    ...{ head, statementText: fromUtf8(statementBytes(head.statement)), leaves },
    ...{ last: { lastXid: end.xid, lastId: end.row.id }, ids: rows.map(({ row }) => row.id) },
  })
  return rows.length
}

async function headOf(
  { key, serverId, now }: Pick<SealDeps, 'serverId' | 'now'> & { readonly key: SigningKey },
  before: LedgerHead | undefined,
  tree: Pick<BlockStatement, 'root' | 'count'>,
): Promise<LedgerHead> {
  const statement = BlockStatement.parse({
    ...{ type: 'xeenet/ledger-block/1', serverId, keyId: key.keyId, ...tree },
    number: (before?.statement.number ?? 0) + 1,
    previous: before?.hash ?? null,
    rows: (before?.statement.rows ?? 0) + tree.count,
    sealedAt: toWire(now()),
  })
  const signature = await signBytes(key.privateKey, statementBytes(statement))
  return { statement, hash: hashOf(statement, sha256Bytes), signature }
}
