import type { Instant } from '#protocol/units.ts'

/** A work unit as it stands in one snapshot, with everything that must agree with it. */
export interface UnitFacts {
  readonly state: 'open' | 'valid' | 'failed' | 'cancelled'
  readonly policy: 'adaptive' | 'fixed'
  readonly minQuorum: number
  readonly canonicalId: string | null
  readonly canonicalDigest: string | null
  readonly canonicalMetric: number | null
  readonly metric: number | null
  readonly publishedAt: Instant | null
  /** It is listed among those that are not published. */
  readonly isUnpublished: boolean
  readonly results: readonly ResultFacts[]
  /** The row of the corpus that stands. */
  readonly corpus: {
    readonly resultId: string
    readonly digest: string
    readonly metric: number | null
  } | null
}

interface ResultFacts {
  readonly id: string
  readonly state: 'unsent' | 'in_progress' | 'over'
  readonly trusted: boolean
  readonly verdict: 'pending' | 'valid' | 'invalid' | 'inconclusive' | null
  readonly digest: string | null
  readonly sentAt: Instant | null
  readonly graceUntil: Instant | null
  readonly reportedAt: Instant | null
  readonly grantedMilli: number
  /** Of the ledger: what it was granted and what waits for the overrun of another day, less what was taken back or is owed. */
  readonly paidMilli: number
}

/** What does not hold of a work unit, in words; nothing if all does (DESIGN §6, §8, §9). */
export function inspect(unit: UnitFacts): string[] {
  return [...inspectAnswer(unit), ...inspectEmbargo(unit), ...inspectPay(unit)]
}

function inspectAnswer({ state, canonicalId, canonicalDigest, results, ...unit }: UnitFacts): string[] {
  const valid = results.filter(result => result.verdict === 'valid')
  if (state === 'open')
    return valid.map(({ id }) => `it is open, and its result ${id} was given the verdict valid`)
  if (state !== 'valid') return []
  const found: string[] = []
  const own = results.find(result => result.id === canonicalId)
  if (own !== undefined && own.verdict !== 'valid')
    found.push(`its canonical result ${own.id} has the verdict ${own.verdict ?? 'none'}`)
  for (const { id, digest } of valid)
    if (digest !== canonicalDigest)
      found.push(`its valid result ${id} has another digest than the canonical one`)
  const isVerified = valid.some(result => result.trusted)
  if (own !== undefined && unit.policy === 'fixed' && !isVerified && valid.length < unit.minQuorum)
    found.push(`it is valid with ${valid.length} equal results, and its quorum is ${unit.minQuorum}`)
  if (unit.metric !== unit.canonicalMetric)
    found.push(`its metric ${unit.metric} is not that of the canonical result, ${unit.canonicalMetric}`)
  return found
}

function inspectEmbargo(unit: UnitFacts): string[] {
  const { state, publishedAt, corpus, canonicalId, canonicalDigest, canonicalMetric, results } = unit
  const found: string[] = []
  if (unit.isUnpublished !== (publishedAt === null))
    found.push(`it is ${publishedAt === null ? 'missing' : 'listed'} among what is not published`)
  if (corpus !== null && (state !== 'valid' || publishedAt === null))
    found.push(`it is ${state} and not published, and the corpus has it`)
  if (corpus === null && state === 'valid' && publishedAt !== null)
    found.push('it is valid and published, and the corpus does not have it')
  if (corpus !== null && state === 'valid') {
    if (corpus.resultId !== canonicalId || corpus.digest !== canonicalDigest)
      found.push('the corpus has another result than the canonical one')
    if (corpus.metric !== canonicalMetric) found.push('the corpus has another metric than the canonical one')
  }
  if (publishedAt === null) return found
  // The verifier may check what is published: its own word is no news to anybody who could copy it.
  const out = results.filter(result => !result.trusted && isOut(result, publishedAt))
  return [...found, ...out.map(({ id }) => `it was published while result ${id} was out`)]
}

/** Whether somebody might still have reported it then. */
function isOut(result: ResultFacts, publishedAt: Instant): boolean {
  const { sentAt, state, reportedAt, graceUntil } = result
  if (sentAt === null || sentAt > publishedAt) return false
  if (state === 'in_progress') return true
  if (reportedAt !== null) return reportedAt > publishedAt
  return graceUntil !== null && graceUntil > publishedAt
}

function inspectPay({ results }: UnitFacts): string[] {
  return results.flatMap(({ id, verdict, trusted, grantedMilli, paidMilli }) => {
    const found: string[] = []
    if (grantedMilli !== paidMilli)
      found.push(`its result ${id} was granted ${grantedMilli}, and the ledger says ${paidMilli}`)
    if (grantedMilli > 0 && (trusted || (verdict !== 'valid' && verdict !== 'pending')))
      found.push(
        `its result ${id} is paid and ${trusted ? 'the operator’s own' : `has the verdict ${verdict}`}`,
      )
    return found
  })
}
