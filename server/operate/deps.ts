import type { Knex } from 'knex'
import type { JobDeps } from '#jobs/deps.ts'
import type { Act } from '#protocol/acts.ts'
import { PROBLEMS, type ProblemCode } from '#protocol/problem.ts'
import type { ActId, Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import type { Wake } from '#store/wake.ts'

/** Who has the operator's private keys: the command line on the server's machine. */
export interface KeyKeeper {
  /** The key that is to follow, made now if there is none; it signs nothing yet. */
  next(): Promise<Sha256>
  /** It takes over: every kernel is signed again by it, and the one before names it its successor. */
  rotate(trx: Trx, to: Sha256, now: Instant): Promise<void>
}

/** What the acts of an operator need. */
export interface ActDeps {
  readonly knex: Knex
  readonly wake: Wake
  readonly now: () => Instant
  readonly ids: JobDeps['ids'] & { act(now: Instant): ActId }
  /** Absent at the edge, which signs nothing. */
  readonly keys?: KeyKeeper
}

export interface OperateDeps extends ActDeps {
  /** Previews are signed under it. */
  readonly secret: string | Uint8Array
}

/** A refusal of an operator's act: its code and hint are those of the wire. */
export class ActRefused extends Error {
  readonly code: ProblemCode
  readonly hint: string

  constructor(code: ProblemCode, detail: string) {
    super(detail)
    this.code = code
    this.hint = PROBLEMS[code][3]
  }
}

/** What an act would change, as things stand. */
export interface Look {
  readonly touches: number
  readonly sentence: string
  readonly sample: readonly { readonly id: string; readonly what: string }[]
  /** The act that takes it back; null: nothing does. */
  readonly inverse: Act | null
}

/** How one act is looked at and done. Both throw `ActRefused`. */
export interface Plan {
  /** The one thing it is about; null: whatever a filter names. */
  readonly subject: string | null
  look(trx: Trx, deps: ActDeps): Promise<Look>
  /** Does it, after a look in the same transaction; returns how many it changed. */
  do(trx: Trx, deps: ActDeps, reason: string): Promise<number>
}
