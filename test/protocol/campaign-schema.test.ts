import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { campaignSchema } from '#protocol/campaign-schema.ts'

// Read back from the JSON text that editors get: only what that says can refuse here.
const read = z.fromJSONSchema(JSON.parse(JSON.stringify(campaignSchema())))
const root = join(import.meta.dirname, '../..')
const samples = globSync(['ops/examples/*.yaml', 'ops/demo/*.yaml', 'ops/*.yaml'], { cwd: root })
const sample = (file: string) => parse(readFileSync(join(root, file), 'utf8'))

test('there are samples', () => expect(samples.length).toBeGreaterThan(4))

test.each(samples)('%s keeps to the schema', file => {
  const parsed = read.safeParse(sample(file))
  expect(parsed.error === undefined ? '' : z.prettifyError(parsed.error)).toBe('')
})

test.each([
  ['an unknown field', { colour: 'blue' }],
  ['no runs', { budget: { fuel_per_run: 1e9, runs: 0, credits: 1 } }],
  ['a dimension of no kind', { space: { lr: { logarithmic: [1, 2] } } }],
  ['a sampler that nobody knows', { sampler: { name: 'oracle' } }],
])('%s is marked', (_, changes) => {
  expect(read.safeParse({ ...sample('ops/examples/vision.yaml'), ...changes }).success).toBe(false)
})
