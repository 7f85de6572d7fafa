// Tables as they are after a million results: copies of one run that went all the way, and of one that waits.

import type { Knex } from 'knex'

const ROWS_PER_STATEMENT = 5_000
// A campaign has about as many in line, however many it has behind it (DESIGN §10).
const RESULTS_PER_CAMPAIGN = 1_000
// Behind all that the load is about.
const LAST = -1_000_000

/**
 * Adds so many finished results, with their experiments, work units and rows of the corpus, and as many unsent ones at the
 * end of the line. They are of campaigns that run, a thousand of each in one, and are not looked at; something must have been
 * published. Nothing is paid for them.
 */
export async function fillTables(knex: Knex, count: number): Promise<void> {
  await knex.raw(CAMPAIGNS, { campaigns: Math.ceil(count / RESULTS_PER_CAMPAIGN) })
  for (let from = 0; from < 2 * count; from += ROWS_PER_STATEMENT) {
    const range = { from, until: Math.min(2 * count, from + ROWS_PER_STATEMENT), count }
    await knex.transaction(async trx => {
      // Keys are right by construction, and nobody need hear of these.
      await trx.raw(`set local session_replication_role = replica`)
      for (const sql of [EXPERIMENTS, SCORES, UNITS, UNPUBLISHED, RESULTS, CORPUS]) await trx.raw(sql, range)
    })
  }
  await knex.raw('vacuum analyze experiments, experiment_scores, work_units, live_units, results, corpus')
}

// Ids are ordered by age, and these are younger than any.
export const id = (prefix: string, i = 'i'): string =>
  `'${prefix}_7zzzzzzzzz' || lpad(cast(${i} as text), 16, '0')`
export const hash = (of: string): string => `encode(sha256(convert_to('${of} ' || i, 'UTF8')), 'hex')`
const CAMPAIGN_ID = id('c', `((i % :count) / ${RESULTS_PER_CAMPAIGN})`)

const TEMPLATE = `
  (select w.*, c.dataset_sha256, c.recipe from work_units w join corpus c on c.work_unit_id = w.id
    where w.state = 'valid' and c.metric_value is not null and not exists (select from provisional_results p where p.work_unit_id = w.id) order by w.id limit 1)`

/** A copy of a row of a table with other values in some of its columns, for each number of the range. */
export const copies = (table: string, source: string, changes: Readonly<Record<string, string>>): string => `
  insert into ${table} select n.*
  from (select ${table} as row from ${table} where ${source}) as t
  cross join generate_series(cast(:from as int), cast(:until as int) - 1) as i
  cross join lateral jsonb_populate_record(t.row, jsonb_build_object(${Object.entries(changes)
    .map(([name, value]) => `'${name}', ${value}`)
    .join(', ')})) as n`

const CAMPAIGNS = `
  insert into campaigns select n.* from (select campaigns as row from campaigns order by id limit 1) as t
  cross join generate_series(0, cast(:campaigns as int) - 1) as i
  cross join lateral jsonb_populate_record(t.row, jsonb_build_object('id', ${id('c')}, 'idempotency_key', null,
    'settled_at', now())) as n`

const EXPERIMENTS = copies('experiments', `id = (select experiment_id from ${TEMPLATE} as x)`, {
  ...{ id: id('e'), campaign_id: CAMPAIGN_ID, ordinal: 'i', recipe_sha256: hash('recipe') },
})

const SCORES = `
  insert into experiment_scores (campaign_id, experiment_id, n, mean, m2)
  select ${CAMPAIGN_ID}, ${id('e')}, 1, 0.5, 0 from generate_series(cast(:from as int), cast(:until as int) - 1) as i
  where i < :count`

const isDone = (done: string): string => `case when i < :count then ${done} end`

const UNITS = copies('work_units', `id = (select id from ${TEMPLATE} as x)`, {
  ...{ id: id('w'), campaign_id: CAMPAIGN_ID, experiment_id: id('e'), run_key: hash('run') },
  ...{ state: `case when i < :count then 'valid' else 'open' end`, metric: isDone('0.5') },
  priority: String(LAST),
  ...{ canonical_result_id: isDone(id('r')), closed_at: isDone('now()'), published_at: isDone('now()') },
})

const UNPUBLISHED = `
  insert into live_units (campaign_id, work_unit_id)
  select ${CAMPAIGN_ID}, ${id('w')} from generate_series(cast(:from as int), cast(:until as int) - 1) as i where i >= :count`

const EMPTY = [
  'outcome',
  'verdict',
  'host_id',
  'owner_key',
  'sent_at',
  'deadline',
  'grace_until',
  'reported_at',
]
const UNTOLD = ['digest', 'report', 'signature', 'artifact_sha256', 'fuel_used', 'metric', 'prefix', 'cpu_ms']

const RESULTS = copies('results', `id = (select canonical_result_id from ${TEMPLATE} as x)`, {
  ...{ id: id('r'), work_unit_id: id('w'), state: `case when i < :count then 'over' else 'unsent' end` },
  ...Object.fromEntries([...EMPTY, ...UNTOLD].map(name => [name, isDone(`to_jsonb(t.row)->'${name}'`)])),
  digest: isDone(`to_jsonb(${hash('digest')})`),
  artifact_sha256: isDone(`to_jsonb(${hash('artifact')})`),
  priority: String(LAST),
  created_at: 'now()', // nobody waited long for them
  ...{ granted_milli: '0', granted_decision: 'null', vested: 'false' },
  ...{ confirmed: 'i < :count', trusted: 'false', proven: 'false' },
  ...{ kind: `'replica'`, lane: `'anyone'`, engine_class: isDone(`to_jsonb(t.row)->'engine_class'`) },
})

const PUBLISHED = `work_unit_id = (select id from ${TEMPLATE} as x) and retracted_at is null`

const CORPUS = `${copies('corpus', PUBLISHED, {
  ...{ work_unit_id: id('w'), campaign_id: CAMPAIGN_ID, experiment_id: id('e'), result_id: id('r') },
  ...{ run_key: hash('run'), digest: hash('digest') },
})} where i < :count`
