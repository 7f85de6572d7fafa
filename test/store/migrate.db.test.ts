import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { headsAfter, readSealed } from '#store/blocks.ts'
import { inTransaction, openDatabase } from '#store/database.ts'
import { audit } from '#store/ledger.ts'
import { migrate } from '#store/migrate.ts'
import { emptyDatabase, type TestDatabase } from '#support/database.ts'

let directory: string
let database: TestDatabase

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-migrations-'))
  database = await emptyDatabase()
})

afterEach(async () => {
  await database.drop()
  await rm(directory, { recursive: true })
})

const file = (name: string, sql: string) => writeFile(join(directory, name), sql)

test('migrations run once each, in order, and only new ones later', async () => {
  await file('0001_a.sql', `create table a (id integer); insert into a values (1);`)
  await file('0002_b.sql', `insert into a select id + 1 from a;`)
  expect(await migrate(database.knex, directory)).toEqual(['0001_a.sql', '0002_b.sql'])
  await file('0003_c.sql', `insert into a values (3);`)
  expect(await migrate(database.knex, directory)).toEqual(['0003_c.sql'])
  expect(await migrate(database.knex, directory)).toEqual([])
  expect((await database.knex.raw(`select id from a order by id`)).rows).toEqual(
    [1, 2, 3].map(id => ({ id })),
  )
})

test('processes that migrate at once apply each file once between them', async () => {
  await file('0001_a.sql', `create table a (id integer);`)
  await file('0002_b.sql', `insert into a values (1);`)
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(database.knex, directory)))
  expect(applied.flat().sort()).toEqual(['0001_a.sql', '0002_b.sql'])
  expect((await database.knex.raw(`select count(*) as n from a`)).rows).toEqual([{ n: 1 }])
})

test('a migration takes as long as it takes, for those who wait for it too', async () => {
  await file('0001_a.sql', `create table a (id integer); select pg_sleep(0.3);`)
  const { connectionString } = database
  const impatient = [1, 2].map(() => openDatabase({ connectionString, poolMax: 1 }))
  for (const knex of impatient) await knex.raw(`set statement_timeout = 100; set lock_timeout = 100`)
  const applied = await Promise.all(impatient.map(knex => migrate(knex, directory)))
  expect(applied.flat()).toEqual(['0001_a.sql'])
  for (const knex of impatient) await knex.destroy()
})

test('a migration that meets a deadlock is tried again, a few times', async () => {
  const failing = (times: number) =>
    `do $$ begin if nextval('tries') <= ${times} then raise exception using errcode = '40P01'; end if; end $$;`
  await file('0001_a.sql', `create sequence tries;`)
  await file('0002_b.sql', failing(3))
  expect(await migrate(database.knex, directory)).toHaveLength(2)
  await file('0003_c.sql', failing(100))
  await expect(migrate(database.knex, directory)).rejects.toMatchObject({ code: '40P01' })
})

test('a migration that fails in its middle leaves nothing and can be mended', async () => {
  await file('0001_a.sql', `create table a (id integer); insert into a values ('no number');`)
  await expect(migrate(database.knex, directory)).rejects.toThrow('invalid input syntax')
  expect((await database.knex.raw(`select to_regclass('a') as a`)).rows).toEqual([{ a: null }])
  await file('0001_a.sql', `create table a (id integer);`)
  expect(await migrate(database.knex, directory)).toEqual(['0001_a.sql'])
})

test('a question mark in a migration is an operator, not a placeholder', async () => {
  await file('0001_a.sql', `create table a as select '{"x": 1}'::jsonb ? 'x' as found, 'why?' as text;`)
  await migrate(database.knex, directory)
  expect((await database.knex.raw(`select * from a`)).rows).toEqual([{ found: true, text: 'why?' }])
})

test('line endings of a Windows checkout do not count as an edit', async () => {
  await file('0001_a.sql', `create table a\n(id integer);\n`)
  await migrate(database.knex, directory)
  await file('0001_a.sql', `create table a\r\n(id integer);\r\n`)
  expect(await migrate(database.knex, directory)).toEqual([])
})

test.each([
  ['migration_edited', async () => file('0001_a.sql', `create table a (id text);`)],
  ['database_newer_than_code', async () => rm(join(directory, '0002_b.sql'))],
  ['migration_misnamed', async () => file('0004_gap.sql', `select 1;`)],
])('%s is refused', async (code, spoil) => {
  await file('0001_a.sql', `create table a (id integer);`)
  await file('0002_b.sql', `insert into a values (1);`)
  await migrate(database.knex, directory)
  await spoil()
  await expect(migrate(database.knex, directory)).rejects.toMatchObject({
    code,
    hint: expect.stringMatching(/\.$/),
  })
})

// What a server of the first schema had: a campaign with a paid, a disputed and an open work unit.
const FILLED = `
  insert into users values ('u_1', 'ann', '{researcher}', now());
  insert into hosts (id, name, owner_key, public_key, token_hash, client, engine_classes, cores, memory_mib, daily_quota,
      quota_day, created_at, last_seen_at)
    select 'h_' || n, 'host', 'h_' || n, 'key' || n, 'hash' || n, 'test', '{wasm}', 1, 512, 100, current_date, now(), now()
    from generate_series(1, 3) as n;
  update hosts set trusted = true where id = 'h_3';
  insert into files values (repeat('a', 64), 1, 'kernel', now());
  insert into kernels values (repeat('a', 64), repeat('a', 64), 'tiny', 0, 1, '{}', '{}', '', now());
  insert into datasets values ('d', 'fox', 1, '{}', now());
  insert into campaigns (id, owner_id, title, file, kernel_sha256, dataset_sha256, experiments_planned, experiments_created,
      price_milli_per_gfuel, reserved_milli, body_sha256, created_at)
    values ('c_1', 'u_1', 'x', '{"metric": {"name": "val_bpb", "goal": "minimize"}}', repeat('a', 64), 'd', 3, 3, 10, 100, 'b', now());
  insert into experiments select 'e_' || n, 'c_1', n, '{}', 'r' || n, now() from generate_series(1, 3) as n;
  insert into work_units (id, campaign_id, experiment_id, seed_index, seed, job, run_key, engine_class, kernel_sha256, min_quorum,
      target_results, max_error_results, max_total_results, max_success_results, deadline_ms, grace_ms, give_up_ms, fuel_max,
      created_at, disputed)
    select 'w_' || n, 'c_1', 'e_' || n, 0, 0, '{}', 'k' || n, 'wasm', repeat('a', 64), 2, 2, 4, 12, 6, 1, 1, 1, 1, now(), n = 2
    from generate_series(1, 3) as n;
  insert into results (id, work_unit_id, kind, attempt, created_at, state)
    select 'r_' || w || k, 'w_' || w, (case k when 3 then 'check' else 'replica' end)::result_kind, 0, now(), 'unsent'
    from generate_series(1, 3) as w, generate_series(1, 3) as k where k < 3 or w = 2;
  update results set state = 'over', outcome = 'success', host_id = 'h_' || right(id, 1), owner_key = 'h_' || right(id, 1),
      sent_at = now(), deadline = now(), grace_until = now(), reported_at = now(), digest = 'd' || id, fuel_used = 1,
      report = '{"metric": {"name": "val_bpb", "value": 3.25}}', verdict = 'pending'
    where id in ('r_11', 'r_12', 'r_21', 'r_22');
  update results set verdict = 'valid', granted_milli = 10 where work_unit_id = 'w_1';
  update work_units set state = 'valid', canonical_result_id = 'r_11', closed_at = now(), published_at = now() where id = 'w_1';
  update results set state = 'in_progress', host_id = 'h_1', owner_key = 'h_1', sent_at = now(), deadline = now(),
      grace_until = now() where id = 'r_31';
  insert into accounts values ('mint', -100), ('user:u_1', 0), ('escrow:c_1', 80), ('host:h_1', 10), ('host:h_2', 10);
  insert into transfers (key, kind, debit, credit, amount_milli, campaign_id, result_id, created_at) values
    ('starter:u_1', 'starter', 'mint', 'user:u_1', 100, null, null, now()),
    ('reserve:c_1', 'reserve', 'user:u_1', 'escrow:c_1', 100, 'c_1', null, now()),
    ('grant:r_11:0', 'grant', 'escrow:c_1', 'host:h_1', 10, 'c_1', 'r_11', now()),
    ('grant:r_12:0', 'grant', 'escrow:c_1', 'host:h_2', 10, 'c_1', 'r_12', now());
  insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe, seed,
      job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, replicas, published_at)
    values ('w_1', 'k1', 'c_1', 'e_1', 'r_11', 'k', 'd', '{}', 0, '{}', 'ok', 'val_bpb', 3.25, '[]', '{}', 1, 'd', 2, now());`

test('a database of the first schema keeps what it has, and its campaigns know their best', async () => {
  const first = join(import.meta.dirname, '..', '..', 'server', 'migrations', '0001_first.sql')
  await copyFile(first, join(directory, '0001_first.sql'))
  await migrate(database.knex, directory)
  await database.knex.raw(FILLED.replaceAll('?', '\\?'))
  expect((await migrate(database.knex)).length).toBeGreaterThan(2)
  const rows = async (sql: string) => (await database.knex.raw(sql)).rows
  expect(
    await rows(
      `select wanted_check, policy, metric from work_units where state = 'valid' or disputed order by id`,
    ),
  ).toEqual([
    { wanted_check: 'none', policy: 'fixed', metric: 3.25 },
    { wanted_check: 'verifier', policy: 'fixed', metric: null },
  ])
  expect(await rows(`select * from experiment_scores`)).toEqual([
    { campaign_id: 'c_1', experiment_id: 'e_1', n: 1, mean: 3.25, m2: 0 },
  ])
  expect(
    await rows(`select decision, granted_decision, vested from results where granted_milli > 0`),
  ).toEqual(Array(2).fill({ decision: 1, granted_decision: 0, vested: true }))
  expect(await rows(`select amount_milli, lapses_at > granted_at as later from starters`)).toEqual([
    { amount_milli: 100, later: true },
  ])
  expect(await rows(`select lane from results where kind = 'check'`)).toEqual([{ lane: 'verifier' }])
  expect(await inTransaction(database.knex, audit)).toMatchObject({ balanced: true })
})

// Two blocks as they were when each of their rows had a row; their ids overlap, and the third is not sealed.
const SEALED = `
  insert into accounts values ('mint', -4), ('user:u_1', 4);
  insert into transfers (key, kind, debit, credit, amount_milli, created_at)
    select 'k' || n, 'correction', 'mint', 'user:u_1', 1, now() from generate_series(1, 4) as n;
  insert into blocks
    select n, repeat('0', 63) || n, json_build_object('type', 'xeenet/ledger-block/1', 'serverId', 's', 'number', n, 'previous',
      case n when 2 then repeat('0', 63) || 1 end, 'rows', 1 + n, 'count', 3 - n, 'root', repeat('0', 64),
      'sealedAt', '2026-01-01T00:00:00.000Z', 'keyId', repeat('0', 64)), repeat('A', 86), '1', n
    from generate_series(1, 2) as n;
  insert into sealed_transfers values (1, 1, 4, repeat('a', 64)), (2, 1, 1, repeat('b', 64)), (3, 2, 2, repeat('c', 64));`

test('blocks go on naming their rows, in order and with the hash of each, when they name them themselves', async () => {
  await migrate(database.knex, undefined, 55)
  await database.knex.raw(SEALED)
  await migrate(database.knex)
  const heads = await headsAfter(database.knex, { after: 0, limit: 9 })
  const named = await Promise.all(heads.map(head => readSealed(database.knex, head)))
  expect(named.flat().map(({ n, leaf, row }) => `${n} ${leaf[0]} ${row?.key}`)).toEqual([
    '1 a k4',
    '2 b k1',
    '3 c k2',
  ])
  await expect(database.knex.raw('delete from blocks')).rejects.toThrow('the ledger is append-only')
})
