import type { Settlement } from '#domain/settle.ts'
import { boundsFrom } from '#domain/tolerance.ts'
import { type EngineClass, isExact } from '#protocol/engine.ts'
import type { Distance, Tolerance } from '#protocol/native.ts'
import { RunReport } from '#protocol/report.ts'
import type { Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { freezeBounds, gatherPairs, readTolerances } from '#store/tolerances.ts'
import type { SuccessRow } from '#store/verdicts.ts'
import { distanceOf } from '#validators/tolerance.ts'

type Class = Pick<SuccessRow, 'kernelSha256' | 'engineClass'>

/** How far two runs may lie apart, by kernel release and engine class. */
export interface Bounds {
  /** Undefined of a class without a tolerance. */
  of(compared: Class): Tolerance | undefined
}

const nameOf = ({ kernelSha256, engineClass }: Class): string => `${kernelSha256} ${engineClass}`

/** The bounds that hold for the classes of these results. Costs nothing where all are exact. */
export async function readBounds(trx: Trx, successes: readonly Class[]): Promise<Bounds> {
  const tolerant = successes.filter(({ engineClass }) => !isExact(engineClass))
  const classes = [...new Map(tolerant.map(row => [nameOf(row), row])).values()]
  const rows = await readTolerances(
    trx,
    classes.map(({ kernelSha256, engineClass }) => ({ kernelSha256, engineClass })),
  )
  const bounds = new Map(rows.map(row => [nameOf(row), row.learnt ?? row.stated]))
  return { of: compared => bounds.get(nameOf(compared)) }
}

/** What is compared of a success. */
type Compared = Class & Pick<SuccessRow, 'id' | 'workUnitId' | 'trusted' | 'verdict' | 'metric' | 'report'>

interface Judged {
  readonly successes: readonly Compared[]
  readonly settlements: readonly Pick<Settlement, 'verdicts'>[]
  readonly now: Instant
}

/**
 * Learns from results that are valid now how far honest runs lie apart: only from those of trusted hosts, and of others beside one.
 * With enough of them the bounds of the class are frozen for the kernel's release.
 */
export async function learnBounds(trx: Trx, { successes, settlements, now }: Judged): Promise<void> {
  const fresh = new Set(
    settlements.flatMap(({ verdicts }) => verdicts.flatMap(v => (v.verdict === 'valid' ? [v.resultId] : []))),
  )
  const tolerant = successes.filter(row => !isExact(row.engineClass) && row.metric !== null)
  const standing = tolerant.filter(row => fresh.has(row.id) || row.verdict === 'valid')
  const gathered = new Map<
    string,
    { of: { kernelSha256: Sha256; engineClass: EngineClass }; pairs: Distance[] }
  >()
  for (const trusted of standing.filter(row => row.trusted)) {
    const { kernelSha256, engineClass } = trusted
    const entry = gathered.get(nameOf(trusted)) ?? { of: { kernelSha256, engineClass }, pairs: [] }
    gathered.set(nameOf(trusted), entry)
    for (const other of standing) {
      const isSeen = !fresh.has(trusted.id) && !fresh.has(other.id) // gathered when one of them was judged
      const isTwin = other.id === trusted.id || (other.trusted && other.id < trusted.id)
      if (other.workUnitId !== trusted.workUnitId || isSeen || isTwin) continue
      const distance = distanceOf(reportOf(trusted), reportOf(other))
      if (distance !== undefined) entry.pairs.push(distance)
    }
  }
  const learning = [...gathered.values()].filter(({ pairs }) => pairs.length > 0)
  const tolerances = await readTolerances(
    trx,
    learning.map(({ of }) => of),
  )
  // In one order, so that two validators never wait for each other.
  for (const { of, pairs } of learning.toSorted((a, b) => (nameOf(a.of) < nameOf(b.of) ? -1 : 1))) {
    const known = tolerances.find(row => nameOf(row) === nameOf(of))
    if (known === undefined || known.learnt !== null) continue
    const bounds = boundsFrom(known.stated, await gatherPairs(trx, { ...of, pairs }))
    if (bounds !== undefined) await freezeBounds(trx, { ...of, bounds, now })
  }
}

const reportOf = ({ report }: Compared): RunReport => RunReport.parse(JSON.parse(report))
