import { Command } from 'commander'
import { Leaderboard, LedgerSummary, MeView } from '#protocol/campaign.ts'
import { askBoth } from '#runtime/api.ts'
import { credit } from '../news.ts'
import { contextOf, withServer } from '../options.ts'
import { leaderboardLines } from '../tables.ts'
import { campaignPath } from './campaign.ts'

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
    talk.data(`${reply.name}  ${credit(reply.balanceMilli)}  ${reply.roles.join(', ')}`)
    for (const host of reply.hosts) talk.data(`  ${host.id}  ${host.name}  ${host.state}`)
  })
}

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
