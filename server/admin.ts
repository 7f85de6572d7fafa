import './node-version.ts'
import { readFile } from 'node:fs/promises'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Knex } from 'knex'
import { NAME_CHARS_MAX } from '#protocol/limits.ts'
import { HostId, type Instant, instant, ResultId } from '#protocol/units.ts'
import { openBlobs } from '#store/blobs.ts'
import { inTransaction } from '#store/database.ts'
import { requestArtifacts } from '#store/files.ts'
import { setHostState } from '#store/hosts.ts'
import { freeLeases } from '#store/leases.ts'
import { migrate } from '#store/migrate.ts'
import { RoleName, Scope } from '#store/tokens.ts'
import { addCreditVerbs } from './admin-credit.ts'
import { addToken, addUser, showUsers } from './admin-users.ts'
import { admitRelease, examineRelease, signFit } from './admission.ts'
import { systemClock } from './clock.ts'
import { type Config, readConfig } from './config.ts'
import { secureIds } from './ids.ts'
import { type Log, openLog } from './log.ts'
import { describeRefusal, filesDirectory, OperatorError, withDatabase } from './operator.ts'
import { openOperatorKey } from './secrets.ts'

// The operator's commands: `xeenet admin …` on the machine that has the data directory, whether the server runs or not.

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

const NAME = new RegExp(`^.{1,${NAME_CHARS_MAX}}$`)

function name(text: string): string {
  if (!NAME.test(text.trim())) throw new InvalidArgumentError(`1 to ${NAME_CHARS_MAX} characters`)
  return text.trim()
}

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

function moment(text: string): Instant {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new InvalidArgumentError('expected a date such as 2027-01-31')
  return instant(at)
}

function program(): Command {
  const root = new Command('xeenet admin')
    .exitOverride()
    .description('users, tokens, hosts, kernels and the ledger of a server')
  const user = root.command('user').description('who may take part')
  verb(user, 'add <name>', 'add a user')
    .addOption(new Option('--role <role>').choices(RoleName.options).default('volunteer'))
    .option('--starter <milli>', 'starter credit in milli-credits', whole)
    .action((given: string, options: Shared & { role: string; starter?: number }) =>
      run(options, ({ config, log }) =>
        withDatabase(config, log, async knex => {
          const role = RoleName.parse(options.role)
          const facts = { role, starterMilli: options.starter, ids: secureIds, now: systemClock() }
          const view = await addUser(knex, { name: name(given), ...facts })
          return { json: view, lines: [`${view.userId}  ${view.name}  ${view.balanceMilli / 1000} credits`] }
        }),
      ),
    )
  verb(user, 'list', 'list users').action((options: Shared) => runOnDatabase(options, listUsers))
  verb(user, 'token <name>', 'make a token; it is shown this once')
    .addOption(new Option('--scope <scope...>').choices(Scope.options).makeOptionMandatory())
    .option('--expires <date>', 'when it ends', moment)
    .action((given: string, options: Shared & { scope: string[]; expires?: Instant }) =>
      runOnDatabase(options, async knex => {
        const scopes = options.scope.map(scope => Scope.parse(scope))
        const facts = { scopes, expiresAt: options.expires ?? null, ids: secureIds, now: systemClock() }
        const made = await addToken(knex, { name: given, ...facts })
        return { json: made, lines: [made.token] }
      }),
    )
  addHostVerbs(root)
  addKernelVerbs(root)
  addUpkeepVerbs(root)
  return root
}

function addHostVerbs(root: Command): void {
  const host = root.command('host').description('hosts that misbehave')
  for (const [word, state] of [
    ['quarantine', 'quarantined'],
    ['release', 'active'],
  ] as const) {
    verb(host, `${word} <id>`, `${word} a host`)
      .requiredOption('--reason <text>', 'for its public history')
      .action((id: string, options: Shared & { reason: string }) =>
        runOnDatabase(options, async knex => {
          const { reason } = options
          const change = { id: hostId(id), state, reason, now: systemClock() }
          const known = await inTransaction(knex, async trx => {
            if (state === 'quarantined') await freeLeases(trx, [change.id], change.now)
            return setHostState(trx, change)
          })
          if (!known) throw new OperatorError('host_unknown', `there is no host ${id}`, 'Check the id.')
          return { json: { hostId: id, state }, lines: [`${id}  ${state}`] }
        }),
      )
  }
}

function addKernelVerbs(root: Command): void {
  const kernel = root.command('kernel').description('what volunteers may be asked to compute')
  verb(kernel, 'sign <release>', 'sign a release, on any machine that has the key').action(
    (file: string, options: Shared) =>
      run(options, async ({ config }) => {
        const release = await examineRelease(await readFile(file))
        const signed = await signFit(await openOperatorKey(config.dataDir), release)
        return { json: signed, lines: [JSON.stringify(signed)] }
      }),
  )
  verb(kernel, 'admit <release>', 'sign a release and offer it to campaigns').action(
    (file: string, options: Shared) =>
      run(options, async ({ config, log }) => {
        const release = await examineRelease(await readFile(file))
        const operator = await openOperatorKey(config.dataDir)
        const blobs = await openBlobs(filesDirectory(config.dataDir))
        const outcome = await withDatabase(config, log, knex =>
          admitRelease({ knex, blobs, operator, now: systemClock }, release),
        )
        const { name, version } = release.manifest
        const { releaseSha256, moduleSha256 } = release
        return {
          json: { kernel: `${name}@${version}`, outcome, releaseSha256, moduleSha256 },
          lines: [`${name}@${version} ${outcome}: module ${moduleSha256}`],
        }
      }),
  )
}

function addUpkeepVerbs(root: Command): void {
  addCreditVerbs(root, { verb, runOnDatabase })
  const artifact = root.command('artifact').description('trained weights')
  verb(artifact, 'ask <result-ids...>', 'ask the hosts of these results for their weights').action(
    (ids: string[], options: Shared) =>
      runOnDatabase(options, async knex => {
        const asked = await requestArtifacts(knex, ids.map(resultId), systemClock())
        return { json: { asked }, lines: [`asked for ${asked}`] }
      }),
  )
  verb(root, 'migrate', 'bring the database to the version of this program').action((options: Shared) =>
    runOnDatabase(options, async knex => {
      const applied = await migrate(knex) // what was missing was applied on opening; this says that nothing is left
      return { json: { pending: applied.length }, lines: ['the database is up to date'] }
    }),
  )
}

async function listUsers(knex: Knex): Promise<Said> {
  const users = await showUsers(knex)
  const lines = users.map(
    u => `${u.userId}  ${u.name}  ${u.roles.join(',')}  ${u.balanceMilli / 1000} credits`,
  )
  return { json: { users }, lines }
}

const hostId = (text: string): HostId => idOf(HostId, text)
const resultId = (text: string): ResultId => idOf(ResultId, text)

function idOf<T>(schema: { safeParse(text: string): { success: boolean; data?: T } }, text: string): T {
  const parsed = schema.safeParse(text)
  if (!parsed.success || parsed.data === undefined)
    throw new OperatorError('id_malformed', `${text} is not such an id`, 'Ids look like h_… or r_….')
  return parsed.data
}

const verb = (parent: Command, usage: string, description: string): Command =>
  parent
    .command(usage)
    .description(description)
    .option('--json', 'print JSON')
    .option('--data-dir <dir>', 'of the server')
    .option('--database-url <url>', 'of the server, when it does not run its own')

const runOnDatabase = (options: Shared, work: (knex: Knex) => Promise<Said>): Promise<void> =>
  run(options, ({ config, log }) => withDatabase(config, log, work))

async function run(options: Shared, work: (tools: Tools) => Promise<Said>): Promise<void> {
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

const USAGE = 2 // the exit status for a command that cannot be understood

try {
  await program().parseAsync(process.argv)
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : USAGE
}
