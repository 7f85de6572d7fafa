import { expect, test } from 'vitest'
import { countGrown } from '#store/maintenance.ts'
import { withDatabase } from '#support/database.ts'

test('a table that grew is counted again, once', () =>
  withDatabase(async ({ knex }) => {
    await knex.raw('create table grown (n int) with (autovacuum_enabled = off)')
    await knex.raw('insert into grown select generate_series(1, 5000); select pg_stat_force_next_flush()')
    const { rows: before } = await knex.raw(`select reltuples from pg_class where relname = 'grown'`)
    expect(before[0].reltuples).toBe(-1)
    expect(await countGrown(knex)).toContain('grown')
    const { rows: after } = await knex.raw(`select reltuples from pg_class where relname = 'grown'`)
    expect(after[0].reltuples).toBe(5000)
    expect(await countGrown(knex)).not.toContain('grown')
    await knex.raw('insert into grown select generate_series(1, 100); select pg_stat_force_next_flush()') // too few
    expect(await countGrown(knex)).not.toContain('grown')
  }))

test('a queue is counted again when it is longer, not because all of it is new', () =>
  withDatabase(async ({ knex }) => {
    const flush = '; select pg_stat_force_next_flush()'
    await knex.raw('create table queue (n int) with (autovacuum_enabled = off)')
    await knex.raw(`insert into queue select generate_series(1, 2000)${flush}`)
    expect(await countGrown(knex)).toContain('queue')
    await knex.raw(`delete from queue; insert into queue select generate_series(1, 2000)${flush}`)
    expect(await countGrown(knex)).not.toContain('queue')
    await knex.raw(`insert into queue select generate_series(1, 2000)${flush}`)
    expect(await countGrown(knex)).toContain('queue')
  }))
