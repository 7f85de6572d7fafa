import { type Command, InvalidArgumentError } from 'commander'
import type { Knex } from 'knex'
import { type Instant, instant } from '#protocol/units.ts'
import { type Config, readConfig } from './config.ts'
import { type Log, openLog } from './log.ts'
import { describeRefusal, OperatorError, withDatabase } from './operator.ts'

/** What a command prints: an object for `--json`, lines for people. */
export interface Said {
  readonly json: object
  readonly lines: readonly string[]
  readonly ok?: boolean // false: the exit status is 1
}

export interface Shared {
  readonly json?: boolean
  readonly dataDir?: string
  readonly databaseUrl?: string
}

interface Tools {
  readonly config: Config
  readonly log: Log
}

/** A verb of the operator's, with the options that all of them have. */
export const verb = (parent: Command, usage: string, description: string): Command =>
  parent
    .command(usage)
    .description(description)
    .option('--json', 'print JSON')
    .option('--data-dir <dir>', 'of the server')
    .option('--database-url <url>', 'of the server, when it does not run its own')

export const runOnDatabase = (options: Shared, work: (knex: Knex) => Promise<Said>): Promise<void> =>
  run(options, ({ config, log }) => withDatabase(config, log, work))

/** Runs a verb and prints what it says; a refusal is printed and is the exit status. */
export async function run(options: Shared, work: (tools: Tools) => Promise<Said>): Promise<void> {
  const flags = [
    ...(options.dataDir === undefined ? [] : ['--data-dir', options.dataDir]),
    ...(options.databaseUrl === undefined ? [] : ['--database-url', options.databaseUrl]),
  ]
  try {
    const said = await work({ config: readConfig(process.env, flags), log: openLog('warn') })
    process.stdout.write(options.json ? `${JSON.stringify(said.json)}\n` : `${said.lines.join('\n')}\n`)
    if (said.ok === false) process.exitCode = 1
  } catch (error) {
    const refusal = describeRefusal(error)
    if (refusal === undefined) throw error
    if (options.json) process.stdout.write(`${JSON.stringify({ v: 1, ev: 'error', ...refusal })}\n`)
    else process.stderr.write(`xeenet: ${refusal.title}\n  ${refusal.hint}\n`)
    process.exitCode = 1
  }
}

/** An id of a command line. Throws `OperatorError`. */
export function idOf<T>(
  schema: { safeParse(text: string): { success: boolean; data?: T } },
  text: string,
): T {
  const parsed = schema.safeParse(text)
  if (!parsed.success || parsed.data === undefined)
    throw new OperatorError('id_malformed', `${text} is not such an id`, 'Ids look like h_… or r_….')
  return parsed.data
}

export function moment(text: string): Instant {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new InvalidArgumentError('expected a date such as 2027-01-31')
  return instant(at)
}
