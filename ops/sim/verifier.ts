import type { ResultId } from '#protocol/units.ts'
import type { Grid, Report, SimLease } from './grid.ts'
import { truthOf } from './truth.ts'

// A core that does nothing else, against volunteers' machines that are throttled and used by people.
const RUN_MS = 20 * 60_000
const POLL_MS = 2 * 60_000
const LEASES_PER_CALL = 16

/** The operator's host: a bounded number of cores, always honest. */
export interface Verifier {
  /** Reports what is done and takes what it has cores for; says when it calls next. */
  visit(now: number, leased: (lease: SimLease) => void): Promise<number>
}

export async function newVerifier(grid: Grid, cores: number): Promise<Verifier> {
  const hostId = await grid.enrol({ ownerKey: 'operator', trusted: true, cores })
  let running: { readonly lease: SimLease; readonly endsAt: number }[] = []
  const take = async (now: number, leased: (lease: SimLease) => void): Promise<void> => {
    const done = running.filter(({ endsAt }) => endsAt <= now).slice(0, LEASES_PER_CALL)
    const reports = done.map(
      ({ lease: { resultId, run } }): Report => ({ type: 'success', resultId, answer: truthOf(run) }),
    )
    running = running.filter(item => !done.includes(item))
    const held: ResultId[] = running.map(({ lease }) => lease.resultId)
    const want = Math.min(LEASES_PER_CALL, cores - running.length)
    const reply = await grid.call({ hostId, reports, held, want, selfTest: null })
    if (reply.type === 'refused') throw new Error(`the verifier was refused: ${reply.code}`)
    for (const lease of reply.leases) {
      leased(lease)
      running.push({ lease, endsAt: now + RUN_MS })
    }
    const more = running.some(({ endsAt }) => endsAt <= now) || reply.leases.length === LEASES_PER_CALL
    if (more) await take(now, leased)
  }
  return {
    visit: async (now, leased) => {
      await take(now, leased)
      return Math.min(now + POLL_MS, ...running.map(({ endsAt }) => endsAt))
    },
  }
}
