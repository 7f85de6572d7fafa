import type { Command } from 'commander'
import { ActionId, HostId, toWire } from '#protocol/units.ts'
import { listAppeals } from '#store/actions.ts'
import { act, reasoned } from './admin-acts.ts'
import { idOf, runOnDatabase, type Shared, verb } from './admin-verbs.ts'
import { OperatorError } from './operator.ts'

const APPEALS_SHOWN = 200

/** What an operator does about hosts that misbehave, and about appeals; all of it is in the public log. */
export function addHostVerbs(root: Command): void {
  const host = root.command('host').description('hosts that misbehave')
  for (const [word, kind] of [
    ['quarantine', 'quarantine_host'],
    ['release', 'release_host'],
  ] as const) {
    reasoned(verb(host, `${word} <id>`, `${word} a host`)).action((id: string, options) =>
      act(options, () => ({ kind, hostId: idOf(HostId, id) })),
    )
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
  reasoned(verb(root, 'appeal <id> <decision>', 'decide an appeal: uphold or reject')).action(
    (id: string, decision: string, options) =>
      act(options, () => ({
        kind: 'decide_appeal',
        actionId: idOf(ActionId, id),
        decision: decisionOf(decision),
      })),
  )
}

function decisionOf(text: string): 'uphold' | 'reject' {
  if (text === 'uphold' || text === 'reject') return text
  throw new OperatorError('decision_unknown', `${text}: uphold or reject`, 'Uphold releases the hosts.')
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
