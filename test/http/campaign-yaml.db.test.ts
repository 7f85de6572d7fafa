import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const FILE = {
  ...{ title: 'Which rate?', kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
  ...{ space: { lr: { log: [0.001, 0.1], points: 4 } }, sampler: { name: 'grid' }, baseline: false },
}

describe('a file as YAML', () => {
  const yaml = (text: string) =>
    server.call('POST', '/api/v1/campaigns/validate', {
      body: text,
      headers: { 'content-type': 'application/yaml' },
    })
  const GOOD = JSON.stringify(FILE, null, 1) // JSON is YAML

  test('is what the same file as JSON is', async () => {
    expect((await yaml(`# a comment\n${GOOD}`)).json).toEqual(
      (await server.call('POST', '/api/v1/campaigns/validate', { body: FILE })).json,
    )
  })

  test.each<[string, string, number]>([
    ['an unknown field', `${GOOD.slice(0, -1)}, "colour": 1 }`, GOOD.split('\n').length],
    ['a value that is none', GOOD.replace(/"runs": \d+/, '"runs": two'), lineOf('"runs"')],
    ['a kernel that is not there', GOOD.replace('tiny@0', 'tiny@9'), lineOf('"kernel"')],
    ['no YAML', 'a: [', 1],
    ['an alias', 'a: &x 1\nb: *x', 1],
    ['two documents', 'a: 1\n---\nb: 2', 1],
    ['a proto', '__proto__: 1', 1],
  ])('%s is refused on its line', async (_name, text, line) => {
    const reply = await yaml(text)
    expect([reply.status, reply.json]).toEqual([422, expect.objectContaining({ line })])
  })

  function lineOf(field: string): number {
    return GOOD.split('\n').findIndex(each => each.includes(field)) + 1
  }
})
