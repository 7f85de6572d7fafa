import type { HostId, MilliCredit } from '#protocol/units.ts'
import type { Grant, StandingGrant } from './grants.ts'
import { payeeAccount } from './ledger.ts'
import { earned } from './prices.ts'
import type { Case, Decided, Settlement, Success } from './settle.ts'
import { bearsChecks, type Standing } from './trust.ts'
import type { WorkUnit } from './types.ts'

// What verdicts are worth: the credit side of settling a work unit.

/** What a valid success has earned in all: what it was paid before, or its work at the campaign's price. */
export function earnedBy(
  { workUnit, priceMilliPerGfuel, payerId }: Case,
  { hostId, trusted, fuelUsed, work, paid, reportedAt }: Success,
  standings: ReadonlyMap<HostId, Standing>,
): MilliCredit {
  const host = standings.get(hostId)
  if (paid !== null) {
    const isBorne = host !== undefined && bearsChecks(host, workUnit.engineClass, reportedAt)
    return isBorne ? 0 : paid.amountMilli
  }
  if (trusted || host === undefined || host.state === 'quarantined') return 0
  if (host.userId !== null && host.userId === payerId) return 0
  return earned({
    fuelUsed: work ?? fuelUsed,
    fuelMax: workUnit.flops ?? workUnit.fuelMax,
    priceMilliPerGfuel,
  })
}

/** The grant that a result was given before, for taking it back or letting it go. */
export function grantOf(
  { campaignId }: Pick<WorkUnit, 'campaignId'>,
  { id: resultId, paid }: Pick<Success, 'id' | 'paid'>,
  host: Pick<Standing, 'id' | 'userId'> | undefined,
): StandingGrant[] {
  return paid === null || host === undefined
    ? []
    : [{ resultId, campaignId, hostId: host.id, payee: payeeAccount(host), ...paid }]
}

/** What is paid, taken back or let go because of these verdicts. */
export function payOf(
  { workUnit, successes }: Case,
  verdicts: readonly Decided[],
  standings: ReadonlyMap<HostId, Standing>,
): Pick<Settlement, 'grants' | 'reversals' | 'vests'> {
  const of = new Map(successes.map(success => [success.id, success]))
  const grants: Grant[] = []
  const reversals: StandingGrant[] = []
  const vests: Grant[] = []
  for (const { resultId, amountMilli, verdict, provisional } of verdicts) {
    const success = of.get(resultId)
    const host = success === undefined ? undefined : standings.get(success.hostId)
    if (success === undefined || host === undefined) continue
    const { decision, paid } = success
    const { campaignId } = workUnit
    if (paid === null && amountMilli > 0)
      grants.push({
        ...{ resultId, decision, campaignId, hostId: host.id },
        ...{ payee: payeeAccount(host), amountMilli },
      })
    else if (verdict !== 'valid' || amountMilli === 0) reversals.push(...grantOf(workUnit, success, host))
    else if (!provisional && paid?.vested === false) vests.push(...grantOf(workUnit, success, host))
  }
  return { grants, reversals, vests }
}
