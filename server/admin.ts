import './node-version.ts'
import { readFile } from 'node:fs/promises'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Knex } from 'knex'
import { RoleName } from '#protocol/acts.ts'
import { NAME_CHARS_MAX } from '#protocol/limits.ts'
import { type Instant, ResultId } from '#protocol/units.ts'
import { listDatasets } from '#store/datasets.ts'
import { requestArtifacts } from '#store/files.ts'
import { migrate } from '#store/migrate.ts'
import { Scope } from '#store/tokens.ts'
import { addActVerbs } from './admin-acts.ts'
import { addAccountActs, addConsoleVerbs, addKernelActs } from './admin-console.ts'
import { addCreditVerbs } from './admin-credit.ts'
import { datasetLine, type ImportWish, readDirectory, readText } from './admin-datasets.ts'
import { addEvidenceVerbs } from './admin-evidence.ts'
import { addFileVerbs } from './admin-files.ts'
import { addHostVerbs } from './admin-hosts.ts'
import { addKeyVerbs } from './admin-keys.ts'
import { addPurgeVerb } from './admin-purge.ts'
import { addServerVerbs } from './admin-upkeep.ts'
import { addToken, addUser, removeUser, resetPassword, showUsers } from './admin-users.ts'
import { idOf, moment, run, runOnDatabase, type Said, type Shared, verb } from './admin-verbs.ts'
import { admitRelease, examineRelease, signFit } from './admission.ts'
import { systemClock } from './clock.ts'
import { hideText, storeDataset } from './datasets.ts'
import { openFiles } from './files.ts'
import { secureIds } from './ids.ts'
import { settleOperatorKey } from './key-rotation.ts'
import { withDatabase } from './operator.ts'
import { openOperatorKey } from './secrets.ts'
import { proveSelfTest } from './self-test.ts'

// The operator's commands: `xeenet admin …` on the machine that has the data directory, whether the server runs or not.

const NAME = new RegExp(`^.{1,${NAME_CHARS_MAX}}$`)

function name(text: string): string {
  if (!NAME.test(text.trim())) throw new InvalidArgumentError(`1 to ${NAME_CHARS_MAX} characters`)
  return text.trim()
}

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

function program(): Command {
  const root = new Command('xeenet admin')
    .exitOverride()
    .description('users, tokens, hosts, kernels, data sets and the ledger of a server')
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
  verb(user, 'password <name>', 'give an account a new password; it is shown this once').action(
    (given: string, options: Shared) =>
      runOnDatabase(options, async knex => {
        const made = await resetPassword(knex, given, systemClock())
        return { json: made, lines: [made.password] }
      }),
  )
  verb(user, 'delete <name>', 'delete an account; its results and ledger rows stay, its name goes').action(
    (given: string, options: Shared) =>
      runOnDatabase(options, async knex => {
        const userId = await removeUser(knex, given, systemClock())
        return { json: { userId, deleted: true }, lines: [`${userId}  deleted`] }
      }),
  )
  addAccountActs(user)
  addHostVerbs(root)
  addConsoleVerbs(root)
  addActVerbs(root)
  addKernelVerbs(root)
  addDatasetVerbs(root)
  addUpkeepVerbs(root)
  addServerVerbs(root)
  addFileVerbs(root)
  addPurgeVerb(root)
  addKeyVerbs(root)
  return root
}

function addKernelVerbs(root: Command): void {
  const kernel = root.command('kernel').description('what volunteers may be asked to compute')
  addKernelActs(kernel)
  verb(kernel, 'sign <release>', 'sign a release, on any machine that has the key').action(
    (file: string, options: Shared) =>
      run(options, async ({ config }) => {
        const release = await examineRelease(await readFile(file))
        await proveSelfTest(release)
        const signed = await signFit(await openOperatorKey(config.dataDir), release)
        return { json: signed, lines: [JSON.stringify(signed)] }
      }),
  )
  verb(kernel, 'admit <release>', 'sign a release and offer it to campaigns').action(
    (file: string, options: Shared) =>
      run(options, async ({ config, log }) => {
        const release = await examineRelease(await readFile(file))
        await proveSelfTest(release)
        const blobs = await openFiles(config)
        const outcome = await withDatabase(config, log, async knex => {
          const { dataDir } = config
          const { key: operator } = await settleOperatorKey({ knex, dataDir, now: systemClock })
          return admitRelease({ knex, blobs, operator, now: systemClock }, release)
        })
        const { name, version } = release.manifest
        const { releaseSha256, moduleSha256 } = release
        return {
          json: { kernel: `${name}@${version}`, outcome, releaseSha256, moduleSha256 },
          lines: [`${name}@${version} ${outcome}: module ${moduleSha256}`],
        }
      }),
  )
}

function addDatasetVerbs(root: Command): void {
  const dataset = root.command('dataset').description('what campaigns may train on')
  verb(
    dataset,
    'import <directory>',
    'import IDX files of images and labels, laid out as the MNIST database is',
  )
    .requiredOption('--name <name@version>', 'what campaigns call it')
    .requiredOption('--source <package@version>', 'where the files are from')
    .requiredOption('--licence <text>', 'under which they may be passed on')
    .option('--val <images>', 'how many training images become the validation split', whole, 5000)
    .action((directory: string, options: Shared & Omit<ImportWish, 'directory'>) =>
      run(options, async ({ config, log }) => {
        const imported = await readDirectory({ ...options, directory })
        const blobs = await openFiles(config)
        const outcome = await withDatabase(config, log, knex =>
          storeDataset({ knex, blobs, now: systemClock }, imported),
        )
        const { manifest } = imported
        return { json: { outcome, ...manifest }, lines: [`${outcome}: ${datasetLine(manifest)}`] }
      }),
    )
  verb(
    dataset,
    'hidden <name@version> <file>',
    'check weights on a text of yours as well, which nobody ever sees',
  ).action((name: string, file: string, options: Shared) =>
    run(options, async ({ config, log }) => {
      const text = await readText(file)
      const blobs = await openFiles(config)
      await withDatabase(config, log, knex => hideText({ knex, blobs, now: systemClock }, name, text))
      return { json: { dataset: name, hidden: true }, lines: [`${name} has a hidden text now`] }
    }),
  )
  verb(dataset, 'list', 'list data sets').action((options: Shared) =>
    runOnDatabase(options, async knex => {
      const datasets = await listDatasets(knex)
      return { json: { datasets }, lines: datasets.map(datasetLine) }
    }),
  )
}

function addUpkeepVerbs(root: Command): void {
  addCreditVerbs(root)
  addEvidenceVerbs(root)
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

const resultId = (text: string): ResultId => idOf(ResultId, text)

const USAGE = 2 // the exit status for a command that cannot be understood

try {
  await program().parseAsync(process.argv)
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : USAGE
}
