import { expect, test } from 'vitest'
import { endlessFill } from '#support/hostile.ts'
import { admitted, kernelModule, startKernel } from '#support/kernel-modules.ts'
import { brIf, get, i32, i64, loop, OPS, tee, VOID } from '#support/wasm-builder.ts'

const BUDGET = 2_000_000_000

/** x = x * a + c in i64 until x is 1, which is not within the budget: an optimizer must keep the arithmetic. */
const arithmetic = (): Uint8Array =>
  kernelModule({
    stepLocals: ['i64'],
    step: [
      loop(
        VOID,
        [get(1), i64(6_364_136_223_846_793_005n), OPS.i64Mul, i64(1_442_695_040_888_963_407n), OPS.i64Add],
        [tee(1), i64(1), OPS.i64Ne, brIf(0)],
      ),
      i32(1),
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
