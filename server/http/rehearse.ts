import type { Request } from 'express'
import { z } from 'zod'
import { userAccount } from '#domain/ledger.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import type { Quote } from '#protocol/credits.ts'
import type { DryRun } from '#protocol/dry-run.ts'
import type { TokenId, UserId } from '#protocol/units.ts'
import { inRehearsal, type Trx } from '#store/database.ts'
import { findKey } from '#store/keys.ts'
import { balanceOf } from '#store/ledger.ts'
import type { Edge } from './edge.ts'
import { viewKey } from './keys.ts'
import { parse } from './problem.ts'

const Query = z.strictObject({ dry_run: z.enum(['true', 'false']).default('false') })

/** Whether a call only asks what it would do. Throws `Refused`. */
export const isDryRun = (req: Request): boolean => parse(Query, req.query).dry_run === 'true'

interface Rehearsed {
  readonly payerId: UserId
  readonly keyId: TokenId | null
  readonly quote: Quote
  readonly act: (trx: Trx) => Promise<CampaignView>
}

/** What a call that spends would do: it is done, looked at, and rolled back. Refused whenever the call would be. */
export function rehearse(edge: Edge, { payerId, keyId, quote, act }: Rehearsed): Promise<DryRun> {
  const account = userAccount(payerId)
  return inRehearsal(edge.knex, async trx => {
    const before = await balanceOf(trx, account)
    const campaign = await act(trx)
    const balanceMilli = await balanceOf(trx, account)
    const key = keyId === null ? undefined : await findKey(trx, keyId)
    return {
      ...{ dryRun: true, quote, setAsideMilli: before - balanceMilli, balanceMilli },
      ...{ key: key === undefined ? null : viewKey(key), campaign },
    }
  })
}
