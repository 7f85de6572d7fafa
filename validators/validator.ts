/**
 * Says of two outputs whether they are the same computation. The framework owns quorum, trust and pay; a validator is
 * pure functions and a name. `same` is symmetric.
 */
export interface Validator<Parsed> {
  readonly name: string
  /** `unreadable` is for ever: the result is invalid whatever others say. */
  read(output: string): Parsed | Unreadable
  same(a: Parsed, b: Parsed): boolean
  /** How two outputs that are not the same differ, as a sentence for people. */
  whereTheyPart(a: Parsed, b: Parsed): string
}

export interface Unreadable {
  readonly unreadable: string // why, for the host's owner
}
