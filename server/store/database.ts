import knexModule, { type Knex } from 'knex'
import pg from 'pg'
import { z } from 'zod'
import { send } from './rows.ts'

/** A transaction: what every query function of the store takes first. */
export type Trx = Knex.Transaction

export interface DatabaseOptions {
  readonly connectionString: string
  readonly poolMax?: number // connections, default 16
  readonly warn?: (message: string) => void // hears of lost connections; default stderr
}

// Eight busy connections already reach what one disk commits (5,000 transactions a second); the rest wait in the pool, not in
// PostgreSQL, which the embedded server limits to 60 in all.
const POOL_MAX = 16
const ACQUIRE_MS_MAX = 30_000
const STATEMENT_MS_MAX = 60_000
const IDLE_IN_TRANSACTION_MS_MAX = 60_000 // a transaction that stopped doing anything must not hold its locks for ever

/**
 * Opens a pool of connections. int8 (and so `count(*)`) arrives as a number while it is a safe integer, else as a
 * string; numeric always as a string. The caller ends it with `knex.destroy()`.
 */
export function openDatabase({
  connectionString,
  poolMax = POOL_MAX,
  warn = console.error,
}: DatabaseOptions): Knex {
  const connection = {
    connectionString,
    application_name: 'xeenet',
    statement_timeout: STATEMENT_MS_MAX,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
    types: { getTypeParser },
    // Statements of a transaction that do not need each other's answers are sent together (`Promise.all`): each way to PostgreSQL
    // and back wakes two processes. One fails: those behind it in the transaction do as well.
    pipeline: true,
  }
  return knexModule.knex({
    client: 'pg',
    connection,
    // No connection is kept for its own sake: after a restart of PostgreSQL the pool refills itself.
    pool: { min: 0, max: poolMax },
    acquireConnectionTimeout: ACQUIRE_MS_MAX,
    // knex would write to stdout, which is for data.
    log: { warn, error: warn, deprecate: warn, debug: () => undefined, enableColors: false },
  })
}

const Pool = z.object({
  numUsed: z.custom<() => number>(isFunction),
  numFree: z.custom<() => number>(isFunction),
  numPendingAcquires: z.custom<() => number>(isFunction),
})

/** Connections of the pool that are in use or idle, and how many statements wait for one. */
export function poolState({ client }: Pick<Knex, 'client'>): { used: number; free: number; waiting: number } {
  const pool: unknown = client.pool
  const parsed = Pool.safeParse(pool)
  if (!parsed.success) return { used: 0, free: 0, waiting: 0 } // ended
  const { numUsed, numFree, numPendingAcquires } = parsed.data
  return { used: numUsed.call(pool), free: numFree.call(pool), waiting: numPendingAcquires.call(pool) }
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

/** Runs `work` in one transaction (read committed): all of it is committed when it returns, nothing when it throws. */
export function inTransaction<T>(knex: Knex, work: (trx: Trx) => Promise<T>): Promise<T> {
  return knex.transaction(work)
}

/**
 * As `inTransaction`, for what runs all day: PostgreSQL keeps one plan of each statement, and does not plan it again at each
 * call, which was a sixth of what it did. Not for lists whose filters may be absent: those need a plan for their values.
 */
export function inBusyTransaction<T>(knex: Knex, work: (trx: Trx) => Promise<T>): Promise<T> {
  return knex.transaction(async trx => {
    const planned = send(trx, 'set local plan_cache_mode = force_generic_plan') // before the first statement of `work`
    const [done] = await Promise.all([work(trx), planned])
    return done
  })
}

/**
 * Runs a statement that takes the first rows of a large table in the order of an index. The planner is told not to read and
 * sort the whole of it instead: that is what it would do by the statistics of a table that doubled since they were made,
 * and it costs a hundred times as much. Other statements it would lead astray: a few rows in order, out of the whole of an index.
 */
export async function inIndexOrder<T>(on: Pick<Trx, 'raw'>, statement: () => Promise<T>): Promise<T> {
  const [, found] = await Promise.all([send(on, PLANS_OFF), statement(), send(on, PLANS_ON)])
  return found
}

const setPlans = (to: 'on' | 'off'): string =>
  ['seqscan', 'hashjoin', 'mergejoin', 'bitmapscan', 'sort']
    .map(way => `set local enable_${way} = ${to}`)
    .join('; ')
const PLANS_OFF = setPlans('off')
const PLANS_ON = setPlans('on')

/** Runs `read` in one transaction that sees one moment of the database and changes nothing. */
export function inSnapshot<T>(knex: Knex, read: (trx: Trx) => Promise<T>): Promise<T> {
  return knex.transaction(read, { isolationLevel: 'repeatable read', readOnly: true })
}

/** Runs `work` in one transaction that is rolled back: what it would do is what it returns. */
export async function inRehearsal<T>(knex: Knex, work: (trx: Trx) => Promise<T>): Promise<T> {
  const trx = await knex.transaction()
  try {
    return await work(trx)
  } finally {
    await trx.rollback()
  }
}

function getTypeParser(oid: number, format?: string): (value: string) => unknown {
  if (format === 'binary') return pg.types.getTypeParser(oid, 'binary')
  if (oid === pg.types.builtins.INT8) return parseInt8
  if (oid === pg.types.builtins.TIMESTAMPTZ) return parseTimestamp
  return pg.types.getTypeParser(oid, 'text')
}

function parseInt8(text: string): number | string {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

const parseAnyTimestamp = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ, 'text')

// What PostgreSQL writes where its time zone is UTC, read by the engine in 0.5 µs; 0.9 µs by the driver, which takes it apart by
// regular expressions. The same to the millisecond. Other zones, years before Christ and infinity are the driver's.
function parseTimestamp(text: string): unknown {
  const isPlain = text.at(10) === ' ' && text.endsWith('+00')
  return isPlain ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`) : parseAnyTimestamp(text)
}
