import { Command, CommanderError } from 'commander'
import { EXIT, EXIT_MEANINGS } from '#runtime/exit-codes.ts'
import { adminCommand, datasetCommand } from './commands/admin.ts'
import { campaignCommand } from './commands/campaign.ts'
import { configCommand } from './commands/config.ts'
import { corpusCommand } from './commands/corpus.ts'
import { creditsCommand, leaderboardCommand } from './commands/credits.ts'
import { doctorCommand } from './commands/doctor.ts'
import { hostCommand } from './commands/host.ts'
import { kernelCommand } from './commands/kernel.ts'
import { keyCommand } from './commands/key.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts'
import { mcpCommand } from './commands/mcp.ts'
import { openCommand } from './commands/open.ts'
import { reproCommand } from './commands/repro.ts'
import { schemaCommand } from './commands/schema.ts'
import { serveCommand } from './commands/serve.ts'
import { serviceCommand } from './commands/service.ts'
import { steeringCommands } from './commands/steer.ts'
import { type Hooks, upCommand } from './commands/up.ts'
import { webhookCommand } from './commands/webhook.ts'
import { explain } from './failure.ts'
import { CLIENT_VERSION } from './options.ts'
import { openTalk } from './talk.ts'

/**
 * The whole command line: `args` without node and script; the exit code. A command's own failures are said and
 * returned; only bugs throw.
 */
export async function runProgram(args: readonly string[], hooks: Hooks = {}): Promise<number> {
  let exit: number = EXIT.ok
  const done = (code: number): void => {
    exit = code
  }
  try {
    await program(hooks, done).parseAsync([...args], { from: 'user' })
    return exit
  } catch (error) {
    // commander has said it already; --help and --version arrive here with 0
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    return explain(error, openTalk(args.includes('--json')))
  }
}

function program(hooks: Hooks, done: (exit: number) => void): Command {
  const root = new Command('xeenet')
    .description('Lend idle compute to open ML experiments, or run your own.')
    .version(CLIENT_VERSION.replace('xeenet/', ''))
    .addHelpText(
      'after',
      '\nTry first:\n  xeenet up --server URL    enrol this computer and start\n  xeenet help exit-codes    what the exit status means',
    )
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(xeenet --help lists the commands)')
  const commands = [
    upCommand('up', hooks, done),
    upCommand('verify', hooks, done),
    ...steeringCommands(),
    openCommand(done),
    serviceCommand(done),
    serveCommand(done),
    adminCommand(done),
    datasetCommand(done),
    campaignCommand(done),
    configCommand(),
    corpusCommand(),
    hostCommand(),
    kernelCommand(done),
    reproCommand(done),
    leaderboardCommand(),
    loginCommand(),
    logoutCommand(),
    whoamiCommand(),
    creditsCommand(),
    keyCommand(),
    ledgerCommand(done),
    webhookCommand(done),
    mcpCommand(),
    doctorCommand(done),
    schemaCommand(),
    versionCommand(),
    helpCommand(root),
  ]
  for (const command of commands) root.addCommand(command)
  for (const command of [root, ...commands, ...commands.flatMap(c => c.commands)]) command.exitOverride()
  return root
}

const versionCommand = (): Command =>
  new Command('version')
    .description('print the version')
    .option('--json', 'print JSON')
    .action(({ json }: { json?: boolean }) => {
      const version = CLIENT_VERSION.replace('xeenet/', '')
      openTalk(false).data(json === true ? JSON.stringify({ version, node: process.versions.node }) : version)
    })

const helpCommand = (root: Command): Command =>
  new Command('help')
    .argument('[topic]', 'a command, or exit-codes')
    .description('help on a command, or on exit-codes')
    .action((topic?: string) => {
      if (topic === 'exit-codes') return openTalk(false).data(exitCodes())
      const command = root.commands.find(c => c.name() === topic) ?? root
      command.outputHelp()
    })

const exitCodes = (): string =>
  EXIT_MEANINGS.map(([code, meaning]) => `${String(code).padStart(3)}  ${meaning}`).join('\n')
