import { Command } from 'commander'
import { Leaderboard, LedgerSummary, MeView } from '#protocol/campaign.ts'
import type { LedgerEntry } from '#protocol/credits.ts'
import { askBoth } from '#runtime/api.ts'
import { credit } from '../news.ts'
import { contextOf, withServer } from '../options.ts'
import { leaderboardLines } from '../tables.ts'
import { campaignPath } from '../verb.ts'

/** `xeenet credits`: the account behind a token; without a token, what anyone may check of the ledger. */
export function creditsCommand(): Command {
  const command = withServer(new Command('credits')).description(
    'the account behind the token, or the public sum',
  )
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    if (endpoint.token === undefined) {
      const asked = { method: 'GET', path: '/api/v1/ledger/summary' } as const
      const { reply, text } = await askBoth(endpoint, LedgerSummary, asked)
      if (talk.json) return talk.data(text)
      talk.data(
        `${reply.transfers} transfers, sum ${reply.sumMilli}: ${reply.balanced ? 'balanced' : 'NOT BALANCED'}`,
      )
      for (const { account, balanceMilli } of reply.accounts)
        talk.data(`${credit(balanceMilli).padStart(16)}  ${account}`)
      return
    }
    const { reply, text } = await askBoth(endpoint, MeView, { method: 'GET', path: '/api/v1/me' })
    if (talk.json) return talk.data(text)
    talk.data(accountLines(reply).join('\n'))
  })
}

function accountLines(me: MeView): string[] {
  const mine = new Set([`user:${me.userId}`, `held:user:${me.userId}`])
  const owed = me.owedMilli === 0 ? [] : [`owed      ${credit(me.owedMilli)}, repaid from what you earn next`]
  return [
    `${me.name}  ${me.roles.join(', ')}`,
    `balance   ${credit(me.balanceMilli)}`,
    `reserved  ${credit(me.reservedMilli)}, for campaigns that are not over`,
    `held      ${credit(me.heldMilli)}, until your hosts' next check`,
    `pending   ${credit(me.pendingMilli)}, until other hosts have answered`,
    ...owed,
    ...me.hosts.map(host => `  ${host.id}  ${host.name}  ${host.state}`),
    ...me.notices,
    ...me.entries.map(entry => entryLine(entry, mine)),
  ]
}

/** One transfer as its owner reads it: what came or went, and why. */
function entryLine(
  { at, kind, debit, credit: to, amountMilli, ...about }: LedgerEntry,
  mine: ReadonlySet<string>,
): string {
  const sign = mine.has(debit) === mine.has(to) ? ' ' : mine.has(to) ? '+' : '-'
  const results = about.grants === undefined ? about.resultId : firstOf(about.grants)
  const why = [about.reason, results, about.campaignId].filter(part => part !== null).join('  ')
  return `${at.slice(0, 19)}Z  ${kind.padEnd(10)} ${sign}${credit(amountMilli).padStart(14)}  ${why}`
}

const firstOf = ([first = '', ...more]: readonly string[]): string =>
  `${first.split(':')[0]}${more.length === 0 ? '' : ` and ${more.length} more`}`

/** `xeenet leaderboard CAMPAIGN` */
export function leaderboardCommand(): Command {
  const command = withServer(new Command('leaderboard'))
    .description('experiments of a campaign, best first, among the baselines')
    .argument('<campaign>')
  return command.action(async (id: string) => {
    const { talk, endpoint } = await contextOf(command)
    const asked = { method: 'GET', path: `${campaignPath(id)}/leaderboard` } as const
    const { reply, text } = await askBoth(endpoint, Leaderboard, asked)
    talk.data(talk.json ? text : leaderboardLines(reply).join('\n'))
  })
}
