import { type KernelManifest, selfTestBytes } from '#protocol/kernel.ts'

const TRAIN_BYTES = 100_000
const OTHER_BYTES = 10_000
/** As many as Tiny Shakespeare has. */
const SYMBOLS = 65

/**
 * Data for a kernel's slots, always the same: for charlm text of 65 symbols, for others what their self-test has. What a
 * step costs does not depend on its sense.
 */
export const dataOf = ({ name, slots, selfTest }: KernelManifest): Uint8Array[] =>
  slots.map(({ split }, slot) =>
    name === 'charlm'
      ? noise(split === 'train' ? TRAIN_BYTES : OTHER_BYTES, slot + 1)
      : selfTestBytes(selfTest?.data ?? [], slot),
  )

function noise(bytes: number, seed: number): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return 32 + Math.floor((state / 2 ** 32) * SYMBOLS)
  })
}
