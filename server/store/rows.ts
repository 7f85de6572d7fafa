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

/** Runs a statement of a library, whose parameters are numbered, as `run` does: parsed and planned once. */
export async function runNumbered(
  on: Executor,
  text: string,
  values: readonly string[],
): Promise<{ rows: unknown[] }> {
  // knex would take the operator `?` for a binding.
  const sql = text.replaceAll('?', '\\?').replaceAll(/\$(\d+)/g, ':$1')
  return Rows.parse(await run(on, sql, Object.fromEntries(values.map((value, i) => [i + 1, value]))))
}

/** The same of a statement about these items: of none nothing is asked, which saves a way to the database and back. */
export const executeOf = (
  on: Executor,
  items: readonly unknown[],
  sql: string,
  bindings: Bindings,
): Promise<number> => (items.length === 0 ? Promise.resolve(0) : execute(on, sql, bindings))

/** A statement as PostgreSQL reads it, and the bindings whose values it takes, in order. */
interface Compiled {
  readonly name: string
  readonly text: string
  readonly keys: readonly string[]
}

// A name makes a statement a prepared one: each connection parses it once, and plans it again only where the values matter.
// Texts that are put together as they are needed are few; what comes after so many is parsed each time.
const NAMED_MAX = 2_000
const statements = new Map<string, Compiled>()

// Statements of one transaction reach PostgreSQL in the order in which they were called, also those that are called before the answer
// to the one before.
function run(on: Executor, sql: string, bindings: Bindings): Promise<unknown> {
  return answered(on, begin(on, sql, bindings))
}

/** Sends what has no bindings, and may be several statements: those that are called after it come after it. */
export async function send(on: Executor, sql: string): Promise<void> {
  await answered(on, on.raw(sql))
}

// Where one of several statements fails, PostgreSQL refuses those behind it: whichever answer is looked at first, it says what the
// matter was. So with one whose text was being prepared by a statement that was refused itself (26000).
const REFUSED: readonly unknown[] = ['25P02', '26000']
const causes = new WeakMap<Executor, unknown>()

function answered(on: Executor, statement: Knex.Raw): Promise<unknown> {
  return statement.then(
    (response: unknown) => response,
    (error: unknown) => {
      if (!('isTransaction' in on && on.isTransaction === true)) throw error
      const isRefused = error instanceof Error && 'code' in error && REFUSED.includes(error.code)
      if (!isRefused && !causes.has(on)) causes.set(on, error)
      throw isRefused ? (causes.get(on) ?? error) : error
    },
  )
}

function begin(on: Executor, sql: string, bindings: Bindings): Knex.Raw {
  const statement = statements.get(sql) ?? (statements.size < NAMED_MAX ? compile(sql, bindings) : undefined)
  if (statement === undefined) return on.raw(sql, bindings)
  const { name, text, keys } = statement
  return on.raw(text).options({ name, values: keys.map(key => valueIn(bindings, key)) })
}

// knex looks for bindings in the whole of a text at each call, 10 to 40 µs of it.
function compile(sql: string, bindings: Bindings): Compiled {
  const keys: string[] = []
  const text = sql.replace(/(?<!:):(\w+)/g, (match, key: string) =>
    Object.hasOwn(bindings, key) ? `$${keys.push(key)}` : match,
  )
  const statement = { name: hash('sha256', sql, 'base64url'), text, keys }
  statements.set(sql, statement)
  return statement
}

function valueIn(bindings: Bindings, key: string): Bindings[string] {
  const value = bindings[key]
  if (value === undefined) throw new Error(`a statement lacks its binding ${key}`)
  return value
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

/**
 * As `recordset`, for rows of which much is the same in all: that is written and read once, which takes a third of the time for
 * work units, whose rows differ in a few of 27 fields. `sql` is a query of these columns, with their types, over the bindings.
 */
export function recordsOf<Columns extends Readonly<Record<string, string>>>(columns: Columns) {
  const names: readonly (keyof Columns & string)[] = Object.keys(columns)
  const quoted = names.map(name => `"${name}"`)
  const typed = names.map(name => `"${name}" ${columns[name]}`).join(', ')
  return {
    sql: `
    select ${quoted.map(name => `coalesce(x.${name}, s.${name}) as ${name}`).join(', ')}
    from json_to_recordset(cast(:rows as json)) as x(${typed})
    cross join json_to_record(cast(:shared as json)) as s(${typed})`,
    bindings: (rows: readonly { readonly [Name in keyof Columns]?: unknown }[]) => {
      const own = names.filter(name => rows.some(row => row[name] !== rows[0]?.[name]))
      const shared = names.filter(name => !own.includes(name))
      return {
        rows: JSON.stringify(rows.map(row => pick(row, own))),
        shared: JSON.stringify(pick(rows[0] ?? {}, shared)),
      }
    },
  }
}

function pick<Name extends string>(
  row: { readonly [Key in Name]?: unknown },
  names: readonly Name[],
): object {
  const picked: { [Key in Name]?: unknown } = {}
  for (const name of names) picked[name] = row[name]
  return picked
}
