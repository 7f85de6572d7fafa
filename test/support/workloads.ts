import { kernelModule } from './kernel-modules.ts'
import { brIf, get, i32, i64, loop, OPS, tee, VOID } from './wasm-builder.ts'

/** A kernel that computes x = x · a + c in i64 until x is 1, which is far off: an optimizer must keep the arithmetic. */
export const endlessArithmetic = (): Uint8Array =>
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
