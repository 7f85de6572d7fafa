// Other Nodes, other tiers of V8, and interruptions: a kernel's self-test has one digest.

import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { How } from '#ops/exact/digest.ts'
import { NODE_24, nodeEngines } from '#ops/exact/engines.ts'
import { builtKernel, kernelFolders } from '#ops/kernels/build.ts'

const releases = await Promise.all(kernelFolders().map(builtKernel))
const engines = nodeEngines()
const ROWS: readonly [program: string, mode: string, how: How][] = [
  ['node 26', 'default', 'interrupted'],
  ['node 26', 'strict', 'straight'],
  ['node 26', 'paired', 'interrupted'],
  ['node 24', 'strict', 'interrupted'],
  ['node 24', 'paired', 'straight'],
]

test('there are kernels to compute, and in CI the older Node to compute them with', () => {
  expect(releases.length).toBeGreaterThan(0)
  if (process.env.CI) expect(existsSync(NODE_24)).toBe(true)
})

// Processes of their own, that share nothing but the file.
describe.each(releases)('$name', ({ file }) => {
  test.concurrent.for(ROWS)('in %s, %s, %s', async ([program, mode, how], context) => {
    const engine = engines.find(each => each.program === program && each.mode === mode)
    if (engine === undefined) return context.skip(`${program} is not installed here`)
    const { digest, published, stops } = await engine.digest(file, how)
    expect(digest).toBe(published)
    expect(stops > 0).toBe(how === 'interrupted')
  })
})
