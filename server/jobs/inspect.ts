import { inspect } from '#domain/inspect.ts'
import { readRound, saveRound } from '#store/blocks.ts'
import { inTransaction } from '#store/database.ts'
import { drawUnits, type Finding, raiseAlerts, readUnitFacts } from '#store/inspection.ts'
import { noteUpkeep } from '#store/upkeep.ts'
import { auditBalances, auditBlocks, type Portion } from './audit.ts'
import type { JobDeps } from './deps.ts'

type InspectDeps = Pick<JobDeps, 'knex' | 'now' | 'log'>

// A few hundred milliseconds of a database's time; a grid of a million units is seen through in a fortnight of rounds every four minutes.
const UNITS_PER_ROUND = 200

// A second of a core each minute. A block is sealed each second while anything is posted, and has a thousand rows at most: of a hundred million
// rows in full blocks all are seen in two days and a half.
const PER_LOOK: Portion = { blocks: 1_000, rows: 30_000 }

/** Derives again what must hold of work units drawn at random. Whatever does not is an alert; gives what was found. */
export async function inspectUnits(deps: InspectDeps): Promise<Finding[]> {
  const units = await readUnitFacts(deps.knex, await drawUnits(deps.knex, UNITS_PER_ROUND))
  const findings = units.flatMap(unit =>
    inspect(unit).map(detail => ({ kind: 'work_unit', subject: unit.id, detail }) as const),
  )
  return raise(deps, findings)
}

const ledger = (subject: string, detail: string): Finding => ({ kind: 'ledger', subject, detail })

/** The same of all balances, of accounts and campaigns. */
export async function inspectLedger(deps: InspectDeps): Promise<Finding[]> {
  const { sumMilli, differences, campaigns, held } = await auditBalances(deps.knex)
  const found = await raise(deps, [
    ...(sumMilli === 0 ? [] : [ledger('sum', `all balances together are ${sumMilli}, not 0`)]),
    ...differences.map(({ account, projectedMilli, derivedMilli }) =>
      ledger(account, `its balance is ${projectedMilli}, and its transfers give ${derivedMilli}`),
    ),
    ...campaigns.map(id => ledger(id, 'its escrow is not what it reserved less what it paid')),
    ...held.map(({ account, heldMilli, openMilli }) =>
      ledger(account, `it holds ${heldMilli}, and its results that are not final were granted ${openMilli}`),
    ),
  ])
  await noteUpkeep(deps.knex, { kind: 'ledger_check', at: deps.now(), detail: { findings: found.length } })
  return found
}

/** The same of the chain, a portion at a time and then from its beginning: every sealed row against its block. */
export async function inspectChain(deps: InspectDeps, portion = PER_LOOK): Promise<Finding[]> {
  const { after, begunAt } = await readRound(deps.knex)
  const begun = after === 0 || begunAt === null ? deps.now() : begunAt
  const { chain, smuggled, dangling } = await auditBlocks(deps.knex, after, portion)
  const found = await raise(deps, [
    ...chain.problems.map(
      ({ block, detail }): Finding => ({ kind: 'chain', subject: `block ${block}`, detail }),
    ),
    ...(smuggled === 0
      ? []
      : [ledger('chain', `${smuggled} rows stand among sealed ones and are in no block`)]),
    ...(dangling === 0
      ? []
      : [ledger('chain', `${dangling} sealed rows name a result or a campaign that is not there`)]),
  ])
  const isEnd = (chain.blocks < portion.blocks && chain.rows < portion.rows) || chain.head === null
  if (isEnd) await noteUpkeep(deps.knex, { kind: 'chain_check', at: begun })
  await saveRound(
    deps.knex,
    isEnd ? { after: 0, begunAt: null } : { after: chain.head.number, begunAt: begun },
  )
  return found
}

async function raise({ knex, now, log }: InspectDeps, findings: readonly Finding[]): Promise<Finding[]> {
  const fresh = await inTransaction(knex, trx => raiseAlerts(trx, findings, now()))
  if (fresh > 0) log.error({ findings: findings.slice(0, 10), fresh }, 'an invariant does not hold')
  return [...findings]
}
