import { expect, test } from 'vitest'
import { endlessFill } from '#support/hostile.ts'
import { admitted, kernelModule, startKernel } from '#support/kernel-modules.ts'
import { br, get, i32, loop, OPS, set, VOID } from '#support/wasm-builder.ts'

const BUDGET = 2_000_000_000

/** x = x * a + c, for ever. */
const arithmetic = (): Uint8Array =>
  kernelModule({
    stepLocals: ['i32'],
    step: [
      loop(VOID, get(1), i32(1_664_525), OPS.i32Mul, i32(1_013_904_223), OPS.i32Add, set(1), br(0)),
      OPS.unreachable,
    ],
  })

function millisecondsToStarve(module: Uint8Array): number {
  const kernel = startKernel(module, BUDGET)
  const start = performance.now()
  expect(() => kernel.call('xee_step', 0n)).toThrow('unreachable')
  expect(kernel.fuel()).toBeLessThan(0)
  return performance.now() - start
}

test('a loop of 256 MiB fills runs out of fuel within twice the time of plain arithmetic of the same budget', () => {
  const [fills, sums] = [admitted(endlessFill()), admitted(arithmetic())]
  // In turns, and the best of each: other tests share the machine.
  const rounds = [1, 2, 3].map(() => ({
    fills: millisecondsToStarve(fills),
    sums: millisecondsToStarve(sums),
  }))
  const best = (what: 'fills' | 'sums'): number => Math.min(...rounds.map(round => round[what]))
  expect(best('fills') / best('sums')).toBeLessThan(2)
})
