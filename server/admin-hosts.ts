import { type Command, InvalidArgumentError } from 'commander'
import { appealUntil } from '#domain/appeal.ts'
import { DETAIL_CHARS_MAX } from '#protocol/limits.ts'
import { ActionId, HostId, toWire } from '#protocol/units.ts'
import { addAction, lastExclusion, listAppeals, partyOf } from '#store/actions.ts'
import { inTransaction } from '#store/database.ts'
import { readHost, setHostState } from '#store/hosts.ts'
import { freeLeases } from '#store/leases.ts'
import { liftExclusions } from '#store/standing.ts'
import { idOf, runOnDatabase, type Shared, verb } from './admin-verbs.ts'
import { settleAppeal } from './appeals.ts'
import { systemClock } from './clock.ts'
import { secureIds } from './ids.ts'
import { OperatorError } from './operator.ts'

const APPEALS_SHOWN = 200

type Reasoned = Shared & { readonly reason: string }

/** What an operator does about hosts that misbehave, and about appeals; all of it is in the public log. */
export function addHostVerbs(root: Command): void {
  const host = root.command('host').description('hosts that misbehave')
  for (const [word, state] of [
    ['quarantine', 'quarantined'],
    ['release', 'active'],
  ] as const) {
    verb(host, `${word} <id>`, `${word} a host`)
      .requiredOption('--reason <text>', 'for the public log', reason)
      .action((id: string, options: Reasoned) => setState(id, state, options))
  }
  verb(root, 'appeals', 'what volunteers say about their exclusions')
    .option('--all', 'also those that were decided')
    .action((options: Shared & { all?: boolean }) =>
      runOnDatabase(options, async knex => {
        const rows = await listAppeals(knex, { all: options.all === true, limit: APPEALS_SHOWN })
        const appeals = rows.map(row => ({ ...row, filedAt: toWire(row.filedAt) }))
        return { json: { appeals }, lines: appeals.flatMap(linesOf) }
      }),
    )
  verb(root, 'appeal <id> <decision>', 'decide an appeal: uphold or reject')
    .requiredOption('--reason <text>', 'for the public log', reason)
    .action((id: string, decision: string, options: Reasoned) => decide(id, decision, options))
}

function reason(text: string): string {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed.length > DETAIL_CHARS_MAX)
    throw new InvalidArgumentError(`1 to ${DETAIL_CHARS_MAX} characters`)
  return trimmed
}

function setState(given: string, state: 'quarantined' | 'active', options: Reasoned): Promise<void> {
  return runOnDatabase(options, async knex => {
    const id = idOf(HostId, given)
    const change = { id, state, reason: options.reason, now: systemClock() }
    await inTransaction(knex, async trx => {
      if (state === 'quarantined') await freeLeases(trx, [id], change.now)
      const host = await readHost(trx, id)
      if (host === undefined || !(await setHostState(trx, change)))
        throw new OperatorError('host_unknown', `there is no host ${id}`, 'Check the id.')
      if (state === 'active') await liftExclusions(trx, [id], change.now)
      const kind = state === 'active' ? 'release' : 'quarantine'
      const until =
        state === 'quarantined' ? appealUntil(change.now) : (await lastExclusion(trx, id))?.appealUntil
      const why = { reason: options.reason, detail: 'by hand', appealUntil: until ?? change.now }
      const action = { id: secureIds.action(change.now), kind, party: partyOf(host), hostIds: [id] } as const
      await addAction(trx, { ...action, actor: 'operator', ...why }, change.now)
    })
    return { json: { hostId: id, state }, lines: [`${id}  ${state}`] }
  })
}

// A volunteer's words are shown as a quotation, line by line, so that they are not taken for ours.
const linesOf = (appeal: {
  actionId: string
  hostId: string
  filedAt: string
  reason: string
  detail: string
  words: string
  decision: string | null
}): string[] => [
  `${appeal.actionId}  ${appeal.hostId}  ${appeal.filedAt}  ${appeal.decision ?? 'open'}`,
  `  excluded for: ${appeal.reason} (${appeal.detail})`,
  ...appeal.words.split('\n').map(line => `  > ${line}`),
]

function decide(id: string, decision: string, options: Reasoned): Promise<void> {
  return runOnDatabase(options, async knex => {
    if (decision !== 'uphold' && decision !== 'reject')
      throw new OperatorError(
        'decision_unknown',
        `${decision}: uphold or reject`,
        'Uphold releases the hosts.',
      )
    const actionId = idOf(ActionId, id)
    const decided = { actionId, decision, reason: options.reason, now: systemClock() } as const
    const settled = await inTransaction(knex, trx => settleAppeal(trx, decided, secureIds))
    if (settled === undefined)
      throw new OperatorError('appeal_unknown', `there is no open appeal ${id}`, 'xeenet admin appeals')
    const { hostIds, restoredMilli } = settled
    const lines = [`${id}  ${decision}  ${hostIds.length} hosts, ${restoredMilli / 1000} credits returned`]
    return { json: { actionId, decision, hostIds, restoredMilli }, lines }
  })
}
