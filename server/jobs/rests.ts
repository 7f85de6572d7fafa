import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { restMsOf } from '#domain/campaign.ts'
import { addMs, type CampaignId, type Instant } from '#protocol/units.ts'
import { readVersions } from '#store/progress.ts'
import type { CampaignHandler, Enqueue } from './deps.ts'
import { lookAt, type Stocked } from './propose.ts'

interface Rest {
  /** When it was last found with enough in store. */
  readonly stockedAt: Instant | null
  readonly until: Instant
  readonly version: string
}

/**
 * Campaigns that need no look for a while, as far as this process knows: they run, have work in store for longer, and nothing is waited
 * for but more of it. Each look costs PostgreSQL tens of milliseconds, and every batch of results asks for one. Whoever changes
 * a campaign ends its rest. What is not asked for meanwhile is not lost: campaigns are swept.
 */
export interface Rests {
  isResting(id: string, now: Instant): boolean
  /** Those of these that do not rest, or were changed since. */
  due(knex: Knex, ids: readonly CampaignId[], now: Instant): Promise<CampaignId[]>
  /** A look begins; what it gives is told how the look went, at its end. */
  begin(id: CampaignId, now: Instant): (stocked: Stocked | undefined) => void
}

// More than run at a time.
const KNOWN_MAX = 10_000

export function openRests(): Rests {
  const known = new Map<string, Rest>()
  const isResting = (id: string, now: Instant): boolean => (known.get(id)?.until ?? now) > now
  return {
    isResting,
    due: async (knex, ids, now) => {
      const resting = ids.filter(id => isResting(id, now))
      if (resting.length === 0) return [...ids]
      const versions = await readVersions(knex, resting)
      return ids.filter(id => !isResting(id, now) || versions.get(id) !== known.get(id)?.version)
    },
    begin: (id, now) => {
      const stockedAt = known.get(id)?.stockedAt ?? null
      const begun = { stockedAt, until: now, version: '' }
      if (known.size >= KNOWN_MAX) known.clear()
      known.set(id, begun)
      return stocked => {
        if (known.get(id) !== begun) return // another look knows better
        if (stocked === undefined) known.delete(id)
        else {
          const { made, isRanking, version } = stocked
          const restMs = stockedAt === null ? 0 : restMsOf({ made, isRanking, sinceMs: now - stockedAt })
          known.set(id, { stockedAt: now, until: addMs(now, restMs), version })
        }
      }
    },
  }
}

// Another process, which does not know who rests, may ask with every batch: twenty times a second.
const ASKED_IN_VAIN_MS = 50

/** As `runPropose`, but for campaigns that rest. */
export const lookAtDue =
  (rests: Rests): CampaignHandler =>
  async (deps, ids) => {
    const due = await rests.due(deps.knex, ids, deps.now())
    if (due.length === 0) await sleep(ASKED_IN_VAIN_MS)
    for (const id of due) {
      const end = rests.begin(id, deps.now())
      end(await lookAt(deps, id))
    }
  }

/** Asks for no look at campaigns that rest. */
export const unlessResting =
  (enqueue: Enqueue, rests: Rests, now: () => Instant): Enqueue =>
  (trx, queue, ids, why) => {
    if (queue !== 'propose') return enqueue(trx, queue, ids, why)
    const at = now()
    const isResting = (id: string): boolean => rests.isResting(id, at)
    return enqueue(
      trx,
      queue,
      ids.filter(id => !isResting(id)),
      why,
    )
  }
