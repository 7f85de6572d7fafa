import type { Reason } from '#protocol/proposals.ts'

/** A kernel that is not fit to be packed or signed, with every reason that was found. */
export class Unfit extends Error {
  readonly reasons: readonly Reason[]
  constructor(reasons: readonly Reason[]) {
    super(reasons.map(({ code, detail, hint }) => `${code}: ${detail}\n  ${hint}`).join('\n'))
    this.name = 'Unfit'
    this.reasons = reasons
  }
}
