import { type Instant, instant } from '#protocol/units.ts'

/** Reads the time. Handed down from main.ts; nothing below it reads a clock by itself. */
export type Clock = () => Instant

export const systemClock: Clock = () => instant(Date.now())
