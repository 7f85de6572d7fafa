import pg from 'pg'
import { z } from 'zod'

/** What a database says of the promises that hold whatever was killed: read from its rows, not from what anybody says. */
export interface Audited {
  readonly workUnits: number
  /** Neither valid nor failed for a stated reason. */
  readonly unsettled: number
  readonly failures: Readonly<Record<string, number>>
  /** Reports that a client was told are accepted. */
  readonly accepted: number
  readonly acceptedMissing: readonly string[]
  readonly ledgerSum: number
  /** Accounts whose projection differs from their transfers. */
  readonly accountsWrong: number
  readonly doubleGrants: number
  /** Valid results that were not paid, or paid ones that are not valid. */
  readonly unpaidOrOverpaid: number
}

const UNITS = `select state::text, failure::text, count(*)::int as n from work_units group by 1, 2`
const REPORTED = `
  select id from results where id = any($1) and outcome in ('success', 'error')
  union all select id from evaluations where id = any($1) and outcome is not null`
const LEDGER = `
  select coalesce(sum(balance_milli), 0)::int as sum,
    count(*) filter (where balance_milli <> coalesce(moved, 0))::int as wrong
  from accounts left join (
    select name, sum(milli) as moved from (
      select credit as name, amount_milli as milli from transfers
      union all select debit, -amount_milli from transfers) as entries group by name
  ) as totals using (name)`
const GRANTS = `
  select count(*) filter (where paid > 1)::int as twice,
    count(*) filter (where (paid > 0) <> (verdict is not distinct from 'valid' and not trusted))::int as amiss
  from (select r.verdict, r.trusted,
      (select count(*) filter (where t.kind = 'grant') - count(*) filter (where t.kind = 'reverse')
        from transfers t where t.result_id = r.id) as paid
    from results r) as each_result`

/** Audits a database. @param accepted results whose reports were answered with `accepted` */
export async function auditDatabase(connectionString: string, accepted: readonly string[]): Promise<Audited> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const rows = async <Row>(schema: z.ZodType<Row>, sql: string, values: unknown[] = []): Promise<Row[]> =>
    z.array(schema).parse((await client.query(sql, values)).rows)
  try {
    const Unit = z.object({ state: z.string(), failure: z.string().nullable(), n: z.int() })
    const units = await rows(Unit, UNITS)
    const known = await rows(z.object({ id: z.string() }), REPORTED, [accepted])
    const [ledger] = await rows(z.object({ sum: z.int(), wrong: z.int() }), LEDGER)
    const [grants] = await rows(z.object({ twice: z.int(), amiss: z.int() }), GRANTS)
    if (ledger === undefined || grants === undefined) throw new Error('a count has one row')
    const present = new Set(known.map(row => row.id))
    return {
      workUnits: units.reduce((sum, unit) => sum + unit.n, 0),
      unsettled: units
        .filter(unit => unit.state !== 'valid' && unit.failure === null)
        .reduce((sum, unit) => sum + unit.n, 0),
      failures: Object.fromEntries(
        units.flatMap(unit => (unit.failure === null ? [] : [[unit.failure, unit.n]])),
      ),
      accepted: accepted.length,
      acceptedMissing: accepted.filter(id => !present.has(id)),
      ledgerSum: ledger.sum,
      accountsWrong: ledger.wrong,
      doubleGrants: grants.twice,
      unpaidOrOverpaid: grants.amiss,
    }
  } finally {
    await client.end()
  }
}

/** Whether something was lost, doubled, or never ended. */
export const isLost = (after: Audited): boolean =>
  after.unsettled > 0 ||
  after.acceptedMissing.length > 0 ||
  after.ledgerSum !== 0 ||
  after.accountsWrong > 0 ||
  after.doubleGrants > 0 ||
  after.unpaidOrOverpaid > 0
