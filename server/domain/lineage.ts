/** A sequential test, as far as it says who came after whom. */
export interface Succession<Id> {
  readonly number: number
  readonly state: string
  readonly incumbent: Id
  readonly challenger: Id
}

/**
 * From the unchanged recipe through everyone who was promoted over it to this experiment, which is the last: what a configuration
 * descends from, step by step. One that no test promoted descends from the unchanged recipe alone; where there is none, from nothing.
 */
export function lineageOf<Id>(id: Id, origin: Id | null, tests: readonly Succession<Id>[]): readonly Id[] {
  const lineage = [id]
  // Each step is by an earlier test: the walk ends whatever the rows say.
  let before = Number.POSITIVE_INFINITY
  for (;;) {
    const [first] = lineage
    const won = tests.findLast(
      test => test.state === 'promoted' && test.challenger === first && test.number < before,
    )
    if (won === undefined) break
    before = won.number
    lineage.unshift(won.incumbent)
  }
  return origin === null || lineage[0] === origin ? lineage : [origin, ...lineage]
}
