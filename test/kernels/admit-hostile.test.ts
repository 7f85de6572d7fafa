import { expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import {
  deepRecursion,
  dividingByZero,
  endlessFill,
  endlessLoop,
  hugeMemory,
  lateGrowth,
  longChain,
  memoryBomb,
  readingOutOfBounds,
  trapping,
} from '#support/hostile.ts'
import { admitted, kernelModule, startKernel } from '#support/kernel-modules.ts'

const BUDGET = 1_000_000

test.each([
  ['an endless loop', endlessLoop, 'unreachable', true],
  ['an endless 256 MiB fill', endlessFill, 'unreachable', true],
  ['growth of memory during a step', lateGrowth, 'unreachable', false],
  ['unreachable', trapping, 'unreachable', false],
  ['a division by zero', dividingByZero, 'divide by zero', false],
  ['a read out of bounds', readingOutOfBounds, 'memory access out of bounds', false],
] as const)(
  '%s is admitted and traps; only running out of fuel leaves the counter below zero',
  (_, build, message, starved) => {
    const kernel = startKernel(admitted(build()), BUDGET)
    expect(() => kernel.call('xee_step', 0n)).toThrow(message)
    expect(kernel.fuel() < 0).toBe(starved)
    expect(kernel.oom()).toBe(0)
  },
)

test('a memory bomb traps at its declared maximum, after the pages it got were paid', () => {
  const kernel = startKernel(admitted(memoryBomb()), BUDGET)
  kernel.setPhase(1)
  expect(() => kernel.call('xee_init')).toThrow(WebAssembly.RuntimeError)
  expect(kernel.memory.buffer.byteLength).toBe(4 * 65_536)
  expect(kernel.oom()).toBe(0)
})

test.each([
  ['recursion', deepRecursion, 'recursion', 'function 10 calls function 10'],
  ['a chain of 3,000 calls', longChain, 'stack_too_deep', 'needs'],
  ['a memory of up to 4 GiB', hugeMemory, 'memory_maximum_too_large', '65536 pages'],
] as const)('%s is refused', (_, build, code, detail) => {
  const answer = admit(build())
  expect(answer).toMatchObject({ ok: false, refusals: [{ code, detail: expect.stringContaining(detail) }] })
})

test('a plain kernel is admitted, and the same bytes come out each time', () => {
  const [first, again] = [admit(kernelModule()), admit(kernelModule())]
  expect(first).toMatchObject({
    ok: true,
    facts: { memoryPagesMin: 1, memoryPagesMax: 4, globals: [], functions: 10 },
  })
  expect(again).toEqual(first)
})
