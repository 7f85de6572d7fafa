import { hash } from 'node:crypto'
import type { Knex } from 'knex'
import { z } from 'zod'
import { type Instant, instant } from '#protocol/units.ts'

/** Bindings of a named query. Instants are passed as `toDb(instant)`; arrays become PostgreSQL arrays. */
export type Bindings = Readonly<
  Record<
    string,
    string | number | boolean | Date | null | readonly (string | number | boolean | Date | null)[]
  >
>

/** What runs a statement: a transaction, or the pool for a single statement. */
export type Executor = Pick<Knex, 'raw'>

/** Runs a query and parses every row: the only door from the database to typed values. */
export async function select<S extends z.ZodType>(
  on: Executor,
  schema: S,
  sql: string,
  bindings: Bindings = {},
): Promise<z.infer<S>[]> {
  const { rows } = Rows.parse(await run(on, sql, bindings))
  return rows.map(row => schema.parse(row))
}

/** As `select`, of a query that has exactly one row. */
export async function selectOne<S extends z.ZodType>(
  on: Executor,
  schema: S,
  sql: string,
  bindings: Bindings = {},
): Promise<z.infer<S>> {
  const { rows } = Rows.parse(await run(on, sql, bindings))
  if (rows.length !== 1) throw new Error(`expected one row, got ${rows.length}`)
  return schema.parse(rows[0])
}

/** As `select`, of a query that has at most one row. */
export async function selectFirst<S extends z.ZodType>(
  on: Executor,
  schema: S,
  sql: string,
  bindings: Bindings = {},
): Promise<z.infer<S> | undefined> {
  const [first] = await select(on, schema, sql, bindings)
  return first
}

/** Runs a statement and says how many rows it changed. */
export async function execute(on: Executor, sql: string, bindings: Bindings = {}): Promise<number> {
  return Count.parse(await run(on, sql, bindings)).rowCount
}

/** The same of a statement about these items: of none nothing is asked, which saves a way to the database and back. */
export const executeOf = (
  on: Executor,
  items: readonly unknown[],
  sql: string,
  bindings: Bindings,
): Promise<number> => (items.length === 0 ? Promise.resolve(0) : execute(on, sql, bindings))

// A name makes a statement a prepared one: each connection parses it once, and plans it again only where the values matter.
// Texts that are put together as they are needed are few; what comes after so many is parsed each time.
const NAMED_MAX = 2_000
const names = new Map<string, string>()

function run(on: Executor, sql: string, bindings: Bindings): Promise<unknown> {
  const name = names.get(sql) ?? (names.size < NAMED_MAX ? newName(sql) : undefined)
  const statement = on.raw(sql, bindings)
  return name === undefined ? statement : statement.options({ name })
}

function newName(sql: string): string {
  const name = hash('sha256', sql, 'base64url')
  names.set(sql, name)
  return name
}

/** A timestamptz column. */
export const Timestamp = z.date().transform((date): Instant => instant(date.getTime()))

/** An instant as a binding of type timestamptz. */
export function toDb(at: Instant): Date
export function toDb(at: Instant | null): Date | null
export function toDb(at: Instant | null): Date | null {
  return at === null ? null : new Date(at)
}

/** The values of one field in row order: what `unnest` takes. */
export const column = <Row, Value>(rows: readonly Row[], field: (row: Row) => Value): Value[] =>
  rows.map(field)

const Rows = z.object({ rows: z.array(z.unknown()) })
const Count = z.object({ rowCount: z.int() })

/**
 * Rows for `json_to_recordset(:rows::json)`: for records with optional fields or arrays, which `unnest` cannot take. By way of jsonb reports cost nearly
 * twice as much.
 */
export const recordset = (rows: readonly object[]): string => JSON.stringify(rows)
