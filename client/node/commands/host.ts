import { text as readAll } from 'node:stream/consumers'
import { Command } from 'commander'
import { z } from 'zod'
import { HostView } from '#protocol/host.ts'
import { APPEAL_CHARS_MAX } from '#protocol/limits.ts'
import { ClaimReply, ExclusionView } from '#protocol/people.ts'
import { askAsHost, type Identity } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure, usage } from '../failure.ts'
import { hostDirectory, hostKey, loadEnrolled } from '../identity.ts'
import { credit } from '../news.ts'
import { type Context, contextOf, DEFAULT_STATE_DIR, options, withServer } from '../options.ts'
import { openHostStore } from '../state-dir.ts'

/** `xeenet host …`: this machine as a host of a server. */
export function hostCommand(): Command {
  const host = new Command('host').description('this machine as a host: what is known of it, whose it is')
  const subcommands = [
    verb('show', 'what the server holds about it, and what it was told', show),
    verb('claim', 'give it, its credit and its history to the account of the token', claim),
    verb('appeal', 'say why its exclusion was wrong: --text, or standard input', appeal).option(
      '--text <text>',
      `at most ${APPEAL_CHARS_MAX} characters`,
    ),
  ]
  for (const subcommand of subcommands) host.addCommand(subcommand)
  return host
}

/** The enrolled host, and the number of its next call: above all that were given out here, also to one that runs now. */
interface Self extends Identity {
  readonly call: number
}

type Action = (command: Command, context: Context, self: Self) => Promise<void>

function verb(name: string, description: string, action: Action): Command {
  const command = withServer(new Command(name).description(description)).option(
    '--state-dir <dir>',
    'where its key and token are',
    DEFAULT_STATE_DIR,
  )
  return command.action(async () => {
    const context = await contextOf(command)
    await action(command, context, await selfOf(command, context))
  })
}

const HostOptions = z.object({ stateDir: z.string() })

async function selfOf(command: Command, { endpoint }: Context): Promise<Self> {
  const { stateDir } = options(HostOptions, command)
  const directory = await hostDirectory(stateDir, endpoint.server)
  const enrolled = await loadEnrolled(directory)
  if (enrolled === undefined)
    throw new Failure(EXIT.failure, 'not_enrolled', {
      what: `${stateDir} holds no host of ${endpoint.server}`,
      hint: 'xeenet up enrols this machine; --server and --state-dir as you give them there.',
    })
  const call = await (await openHostStore(directory)).nextCall(Date.now())
  return { ...enrolled, privateKey: (await hostKey(directory)).privateKey, call }
}

const pathOf = ({ hostId }: Identity): string => `/api/v1/hosts/${hostId}`

async function show(_: Command, { talk, endpoint }: Context, self: Self): Promise<void> {
  const asked = { schema: HostView, method: 'GET', path: pathOf(self), call: self.call } as const
  const { reply, text } = await askAsHost(endpoint, self, asked)
  talk.data(talk.json ? text : viewLines(reply).join('\n'))
}

export function viewLines({ id, name, state, results, grantedMilli, own }: HostView): string[] {
  const { valid, pending, invalid, error, noReply } = results
  return [
    `${id}  ${name}  ${state}  ${credit(grantedMilli)}`,
    `${valid} valid  ${pending} waiting  ${invalid} invalid  ${error} errors  ${noReply} late`,
    ...(own === undefined ? [] : [`self-test ${own.selfTest}  at most ${own.dailyQuota} tasks a day`]),
    ...(own?.exclusion ? exclusionLines(own.exclusion) : []),
    ...(own?.notices ?? []).map(({ at, text }) => `${at}  ${text}`),
  ]
}

function exclusionLines({ reason, at, appealUntil, appeal, decision }: ExclusionView): string[] {
  const words = {
    none: `it can be appealed until ${appealUntil}: xeenet host appeal`,
    open: 'the appeal waits for an operator',
    upheld: `the appeal was upheld: ${decision}`,
    rejected: `the appeal was rejected: ${decision}`,
  }
  return [`excluded ${at}: ${reason}`, words[appeal]]
}

async function claim(_: Command, { talk, endpoint }: Context, self: Self): Promise<void> {
  const userToken = endpoint.token
  if (userToken === undefined) throw usage('whose account? Give its token: --token-file FILE')
  const body = JSON.stringify({ userToken })
  const path = `${pathOf(self)}/claim`
  const asked = { schema: ClaimReply, method: 'POST', path, body, call: self.call } as const
  const { reply, text } = await askAsHost(endpoint, self, asked)
  if (talk.json) return talk.data(text)
  talk.data(`${reply.hostId} belongs to ${reply.userId} now; ${credit(reply.movedMilli)} moved`)
  if (reply.voided > 0)
    talk.data(`${reply.voided} results that only hosts of this account agreed on are computed again`)
}

const AppealOptions = z.object({ text: z.string().optional() })

async function appeal(command: Command, { talk, endpoint }: Context, self: Self): Promise<void> {
  const given = options(AppealOptions, command).text ?? (await readAll(process.stdin))
  const body = JSON.stringify({ text: given.trim() })
  const path = `${pathOf(self)}/appeal`
  const asked = { schema: ExclusionView, method: 'POST', path, body, call: self.call } as const
  const { reply, text } = await askAsHost(endpoint, self, asked)
  talk.data(talk.json ? text : exclusionLines(reply).join('\n'))
}
