import { type Ids, idsFrom } from '#server/ids.ts'

const BYTES = 16

/** Ids that sort by their making, the same in every simulation that makes the same things in the same order. */
export function countedIds(): Ids {
  let counter = 0
  return idsFrom(() => {
    const random = new Uint8Array(BYTES)
    for (let rest = ++counter, i = BYTES - 1; rest > 0; rest = Math.floor(rest / 32), i--)
      random[i] = rest % 32
    return random
  })
}
