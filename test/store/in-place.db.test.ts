import { expect, test } from 'vitest'
import { withDatabase } from '#support/database.ts'

const CHANGED = /\b(state|canonical_result_id|closed_at|metric|published_at)\b/

test('what changes when a unit is accepted is in no index of its wide row', () =>
  withDatabase(async ({ knex }) => {
    const { rows } = await knex.raw(`select indexdef from pg_indexes where tablename = 'work_units'`)
    const definitions = rows.map((row: { indexdef: string }) => row.indexdef)
    expect(definitions).not.toEqual([])
    expect(definitions.filter((definition: string) => CHANGED.test(definition))).toEqual([])
  }))
