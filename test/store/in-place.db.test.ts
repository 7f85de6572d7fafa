import { expect, test } from 'vitest'
import { withDatabase } from '#support/database.ts'

// `confirmed` changes where somebody vouches: of the few that are checked.
const CHANGED = {
  work_units: /\b(state|canonical_result_id|closed_at|metric|published_at)\b/, // when a unit is accepted
  results: /\b(verdict|granted_milli|granted_decision|decision|vested)\b/, // by a verdict
}

test.for(Object.entries(CHANGED))(
  'what changes in a wide row of %s is in none of its indexes',
  ([table, changed]) =>
    withDatabase(async ({ knex }) => {
      const { rows } = await knex.raw('select indexdef from pg_indexes where tablename = ?', [table])
      const definitions = rows.map((row: { indexdef: string }) => row.indexdef)
      expect(definitions).not.toEqual([])
      expect(definitions.filter((definition: string) => changed.test(definition))).toEqual([])
    }),
)
