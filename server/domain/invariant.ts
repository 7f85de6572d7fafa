/** A broken promise of our own code: the transaction rolls back, the caller hears `internal`. */
class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws `InvariantError` unless `condition` holds; `claim` says what must hold. */
export function invariant(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new InvariantError(claim)
}

/** The end of every `switch` over a union: does not typecheck while a case is missing. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`)
}
