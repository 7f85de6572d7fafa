import { type Command, InvalidArgumentError } from 'commander'
import type { Knex } from 'knex'
import { auditLedger } from '#jobs/audit.ts'
import { reasonText } from './admin-acts.ts'
import { correctCredit } from './admin-users.ts'
import { runOnDatabase, type Said, type Shared, verb } from './admin-verbs.ts'
import { systemClock } from './clock.ts'

/** `xeenet admin credit` and `xeenet admin ledger`. */
export function addCreditVerbs(root: Command): void {
  verb(root, 'credit <name>', 'correct the credit of a user')
    .argument('<milli>', 'so many milli-credits more; negative: less', signed)
    .requiredOption('--reason <text>', 'for everybody to read, in the ledger', reasonText)
    .action((name: string, amountMilli: number, options: Shared & { reason: string }) =>
      runOnDatabase(options, async knex => {
        const made = await correctCredit(knex, {
          name,
          amountMilli,
          reason: options.reason,
          now: systemClock(),
        })
        return { json: made, lines: [`${name}  ${amountMilli / 1000} credits: ${options.reason}`] }
      }),
    )
  const ledger = root.command('ledger').description('credits')
  verb(ledger, 'audit', 'derive every balance again, and check every sealed row against its block').action(
    (options: Shared) => runOnDatabase(options, audit),
  )
}

async function audit(knex: Knex): Promise<Said> {
  const found = await auditLedger(knex)
  const { chain } = found
  const lines = [
    `${found.balanced ? 'balanced' : 'NOT BALANCED'}: ${found.transfers} transfers, sum ${found.sumMilli}`,
    `${chain.ok ? 'as sealed' : 'NOT AS SEALED'}: ${chain.rows} rows in ${chain.blocks} blocks`,
    ...chain.problems.map(problem => `  block ${problem.block}: ${problem.detail}`),
    ...(found.smuggled === 0 ? [] : [`${found.smuggled} rows stand among sealed ones and are in no block`]),
    ...(found.dangling === 0 ? [] : [`${found.dangling} rows name a result or a campaign that is not there`]),
  ]
  return { json: found, lines, ok: found.sound }
}

function signed(text: string): number {
  if (!/^[+-]?[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('expected a whole number, not 0')
  return Number(text)
}
