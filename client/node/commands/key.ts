import { Command } from 'commander'
import { z } from 'zod'
import { KeyList, KeyScope, KeyView, NewKey } from '#protocol/keys.ts'
import { askBoth } from '#runtime/api.ts'
import { usage } from '../failure.ts'
import { credit } from '../news.ts'
import { contextOf, options } from '../options.ts'
import { verb } from '../verb.ts'

/** `xeenet key …`: keys for agents and scripts, with less than the account may do. */
export function keyCommand(): Command {
  const key = new Command('key').description('API keys for agents and scripts: scopes, budgets, ends')
  const subcommands = [
    verb('create', 'make a key; it is printed this once', create)
      .argument('<label>', 'what it is for')
      .requiredOption('--scope <scopes...>', KeyScope.options.join(', '))
      .option('--budget <credits>', 'what campaigns may set aside with it in all, less what comes back')
      .option('--expires <date>', 'such as 2027-01-31, or 30d')
      .option('--hosts <n>', 'how many machines may enrol with it'),
    verb('list', 'the keys of the account, and what is left of their budgets', list),
    verb('revoke', 'end a key at once', revoke).argument('<id>'),
  ]
  for (const subcommand of subcommands) key.addCommand(subcommand)
  return key
}

const MILLI_PER_CREDIT = 1000
const DAY_MS = 24 * 3600_000

const CreateOptions = z.object({
  scope: z.array(z.string()),
  budget: z.coerce.number().min(0).optional(),
  expires: z.string().optional(),
  hosts: z.coerce.number().int().min(1).optional(),
})

async function create(command: Command, label: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { scope: scopes, budget, expires, hosts } = options(CreateOptions, command)
  const body = JSON.stringify({
    ...{ label, scopes },
    ...(budget === undefined ? {} : { budgetMilli: Math.round(budget * MILLI_PER_CREDIT) }),
    ...(expires === undefined ? {} : { expiresAt: endOf(expires, Date.now()) }),
    ...(hosts === undefined ? {} : { hostsMax: hosts }),
  })
  const { reply, text } = await askBoth(endpoint, NewKey, { method: 'POST', path: '/api/v1/keys', body })
  talk.data(talk.json ? text : (reply.key ?? ''))
  talk.say(keyLine(reply))
  if (reply.link !== null) talk.say(`On each machine: xeenet up --link '${reply.link}'`)
}

/** The end that somebody wrote: a date, or days from now. */
function endOf(text: string, nowMs: number): string {
  const days = /^(\d{1,4})d$/.exec(text)?.[1]
  const at = days === undefined ? Date.parse(text) : nowMs + Number(days) * DAY_MS
  if (Number.isNaN(at)) throw usage(`--expires ${text}: expected a date such as 2027-01-31, or 30d`)
  return new Date(at).toISOString()
}

async function list(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { reply, text } = await askBoth(endpoint, KeyList, { method: 'GET', path: '/api/v1/keys' })
  if (talk.json) return talk.data(text)
  for (const key of reply.keys) talk.data(keyLine(key))
}

async function revoke(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const path = `/api/v1/keys/${encodeURIComponent(id)}/revoke`
  const { reply, text } = await askBoth(endpoint, KeyView, { method: 'POST', path })
  talk.data(talk.json ? text : keyLine(reply))
}

function keyLine({ budgetMilli, spentMilli, hostsLeft, expiresAt, revokedAt, ...key }: KeyView): string {
  const { keyId, label, scopes } = key
  const hosts = hostsLeft === null ? '' : `  ${hostsLeft} machines left`
  const budget = budgetMilli === null ? 'no budget' : `${credit(spentMilli)} of ${credit(budgetMilli)}`
  const end =
    revokedAt !== null ? `revoked ${revokedAt}` : expiresAt === null ? 'no end' : `until ${expiresAt}`
  return `${keyId}  ${scopes.join('+')}  ${budget}${hosts}  ${end}  ${label}`
}
