import { inspect } from '#domain/inspect.ts'
import { inTransaction } from '#store/database.ts'
import { drawUnits, type Finding, raiseAlerts, readUnitFacts } from '#store/inspection.ts'
import { noteUpkeep } from '#store/upkeep.ts'
import { auditLedger } from './audit.ts'
import type { JobDeps } from './deps.ts'

type InspectDeps = Pick<JobDeps, 'knex' | 'now' | 'log'>

// A few hundred milliseconds of a database's time; a grid of a million units is seen through in a fortnight of rounds every four minutes.
const UNITS_PER_ROUND = 200

/** Derives again what must hold of work units drawn at random. Whatever does not is an alert; gives what was found. */
export async function inspectUnits(deps: InspectDeps): Promise<Finding[]> {
  const units = await readUnitFacts(deps.knex, await drawUnits(deps.knex, UNITS_PER_ROUND))
  const findings = units.flatMap(unit =>
    inspect(unit).map(detail => ({ kind: 'work_unit', subject: unit.id, detail }) as const),
  )
  return raise(deps, findings)
}

/** The same of the whole ledger: balances, campaigns, and every sealed row against its block. */
export async function inspectLedger(deps: InspectDeps): Promise<Finding[]> {
  const { sumMilli, differences, campaigns, chain, smuggled } = await auditLedger(deps.knex)
  const ledger = (subject: string, detail: string): Finding => ({ kind: 'ledger', subject, detail })
  const found = await raise(deps, [
    ...(sumMilli === 0 ? [] : [ledger('sum', `all balances together are ${sumMilli}, not 0`)]),
    ...differences.map(({ account, projectedMilli, derivedMilli }) =>
      ledger(account, `its balance is ${projectedMilli}, and its transfers give ${derivedMilli}`),
    ),
    ...campaigns.map(id => ledger(id, 'its escrow is not what it reserved less what it paid')),
    ...chain.problems.map(
      ({ block, detail }): Finding => ({ kind: 'chain', subject: `block ${block}`, detail }),
    ),
    ...(smuggled === 0
      ? []
      : [ledger('chain', `${smuggled} rows stand among sealed ones and are in no block`)]),
  ])
  await noteUpkeep(deps.knex, { kind: 'ledger_check', at: deps.now(), detail: { findings: found.length } })
  return found
}

async function raise({ knex, now, log }: InspectDeps, findings: readonly Finding[]): Promise<Finding[]> {
  const fresh = await inTransaction(knex, trx => raiseAlerts(trx, findings, now()))
  if (fresh > 0) log.error({ findings: findings.slice(0, 10), fresh }, 'an invariant does not hold')
  return [...findings]
}
