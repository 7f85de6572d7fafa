/** A small linear congruential generator: mixing must be the same in every run of a test. */
export function seeded(): () => number {
  let state = 42
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
