import type { Command } from 'commander'
import envPaths from 'env-paths'
import { z } from 'zod'
import type { Endpoint } from '#runtime/api.ts'
import { credentialOf } from './credentials.ts'
import { usage } from './failure.ts'
import { readIfThere } from './files.ts'
import { SETTINGS_FILE, setting, settingsInFile } from './settings.ts'
import { openTalk, type Talk } from './talk.ts'

export const CLIENT_VERSION = 'xeenet/0.1.0'
const DEFAULT_SERVER = 'http://127.0.0.1:7316'

const paths = envPaths('xeenet', { suffix: '' })
// Linux has a place for state; elsewhere it belongs with the application's data.
export const DEFAULT_STATE_DIR = process.platform === 'linux' ? paths.log : paths.data
export const DEFAULT_CACHE_DIR = paths.cache

const Common = z.object({
  server: z.url({ protocol: /^https?$/, error: 'expected an http(s) address' }),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  json: z.boolean().default(false),
})

/** Adds what every command that talks to a server takes. */
export const withServer = (command: Command): Command =>
  withJson(command)
    .option('--server <url>', 'the server', String(setting('server') ?? DEFAULT_SERVER))
    .option('--token <token>', 'an API or enrolment token; better: --token-file')
    .option('--token-file <file>', 'a file that holds the token', setting('token_file'))

export const withJson = (command: Command): Command => command.option('--json', 'print JSON')

/** The options of a command, parsed once. Throws a usage failure that names the option, or the file of the settings that do not hold. */
export function options<T extends z.ZodType>(schema: T, command: Command): z.infer<T> {
  const kept = settingsInFile()
  if (!kept.ok) throw usage(`${SETTINGS_FILE}: ${kept.fault}`, 'xeenet config edit opens it.')
  const parsed = schema.safeParse(command.opts())
  if (parsed.success) return parsed.data
  throw usage(z.prettifyError(parsed.error), `xeenet ${command.name()} --help lists the options.`)
}

export interface Context {
  readonly talk: Talk
  readonly endpoint: Endpoint
}

/** The server a command talks to, with the token it was given. */
export async function contextOf(command: Command): Promise<Context> {
  const common = options(Common, command)
  return {
    talk: openTalk(common.json),
    endpoint: { server: common.server, fetch, token: await readToken(common) },
  }
}

/** `--token` over `--token-file` over the environment over what `xeenet login` got; `file:PATH` is allowed for each token. */
async function readToken({ server, token, tokenFile }: z.infer<typeof Common>): Promise<string | undefined> {
  const inherited = process.env.XEENET_TOKEN
  delete process.env.XEENET_TOKEN // children need not know
  const given = token ?? (tokenFile === undefined ? inherited : `file:${tokenFile}`)
  if (given === undefined) return (await credentialOf(server))?.token
  return given.startsWith('file:') ? tokenFrom(given.slice('file:'.length)) : given
}

async function tokenFrom(file: string): Promise<string> {
  const bytes = await readIfThere(file)
  const text = bytes?.toString().trim()
  if (text === undefined || text === '') throw usage(`${file}: no token in this file`)
  return text
}
