import type { SplitName } from '#protocol/dataset.ts'

/** The bytes of a data set. */
export type SplitBytes = Readonly<Record<SplitName, Uint8Array>>
