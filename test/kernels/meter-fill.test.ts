import { expect, test } from 'vitest'
import { endlessFill } from '#support/hostile.ts'
import { admitted, startKernel } from '#support/kernel-modules.ts'

const FILL_BYTES = 256 * 1024 * 1024

test('a loop of 256 MiB fills runs out of fuel after as many fills as its budget pays by the byte', () => {
  const kernel = startKernel(admitted(endlessFill()), 3.5 * FILL_BYTES)
  expect(() => kernel.call('xee_step', 0n)).toThrow('unreachable')
  // The fourth fill is charged before it runs, and its loop head never comes.
  expect(kernel.fuel()).toBeLessThan(0)
  expect(kernel.fuel()).toBeGreaterThan(-FILL_BYTES)
})
