import { spawn } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { Command } from 'commander'
import { z } from 'zod'
import { EXIT } from '#runtime/exit-codes.ts'
import { PRESET_NAMES } from '#runtime/snapshot.ts'
import { Failure, usage } from '../failure.ts'
import { writeDurably } from '../files.ts'
import { contextOf, DEFAULT_CACHE_DIR, DEFAULT_STATE_DIR, options, withServer } from '../options.ts'
import type { ServiceSpec } from '../service/files.ts'
import { isPlatform, type Plan, type Platform, planLines, planOf, VERBS, type Verb } from '../service/plan.ts'
import { openTalk, type Talk } from '../talk.ts'

const DESCRIPTIONS: Readonly<Record<Verb, string>> = {
  install: 'start this client now, and whenever you log in',
  uninstall: 'stop it and take it out; key, credit and checkpoints stay',
  status: 'what the service manager says of it',
  start: 'start the installed service',
  stop: 'stop it until the next login, or `service start`',
}

/** `xeenet service …`: this client under the service manager of the user: systemd, launchd, or the scheduler of Windows. */
export function serviceCommand(done: (exit: number) => void): Command {
  const service = new Command('service').description('run this client as a service of your user')
  for (const verb of VERBS) {
    const command = withServer(new Command(verb).description(DESCRIPTIONS[verb]))
      .option('--preset <preset>', PRESET_NAMES.join(', '), 'polite')
      .option('--name <name>', 'how the host is called; generated without')
      .option('--memory-max <size>', 'it is started again when it needs more: 25%, 4G', '50%')
      .option('--state-dir <dir>', 'key, token, leases and checkpoints', DEFAULT_STATE_DIR)
      .option('--cache-dir <dir>', 'kernels and data, by hash', DEFAULT_CACHE_DIR)
      .option('--dry-run', 'print what would be done, and do nothing')
    service.addCommand(command.action(async () => done(await act(verb, command))))
  }
  return service
}

const ServiceOptions = z.object({
  server: z.string(),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  preset: z.enum(PRESET_NAMES),
  name: z.string().trim().min(1).max(60).optional(),
  memoryMax: z.string().regex(/^(\d{1,2}%|\d+[KMG])$/, 'expected a share or a size: 25%, 4G'),
  stateDir: z.string(),
  cacheDir: z.string(),
  dryRun: z.boolean().default(false),
  json: z.boolean().default(false),
})
type ServiceOptions = z.infer<typeof ServiceOptions>

async function act(verb: Verb, command: Command): Promise<number> {
  const given = options(ServiceOptions, command)
  if (verb === 'install') await contextOf(command) // the address and the token's file must be good before they are written down
  const platform: string = process.platform
  if (!isPlatform(platform))
    throw new Failure(EXIT.failure, 'no_service_manager', {
      what: `no service manager of ${platform} is known here`,
      hint: 'Let its own start `xeenet up`.',
    })
  const plan = planOf(platform, verb, specOf(given), {
    home: homedir(),
    config: process.env.XDG_CONFIG_HOME || join(homedir(), '.config'),
    uid: process.getuid?.() ?? 0,
  })
  const talk = openTalk(given.json)
  if (!given.dryRun) return perform(plan, platform, talk)
  talk.data(given.json ? JSON.stringify(plan) : planLines(plan).join('\n'))
  return EXIT.ok
}

function specOf(given: ServiceOptions): ServiceSpec {
  if (given.token !== undefined)
    throw usage(
      '--token would stand in a file that others may read',
      'Give --token-file FILE; the service reads it.',
    )
  const [stateDir, cacheDir] = [resolve(given.stateDir), resolve(given.cacheDir)]
  const entry = join(import.meta.dirname, '..', 'xeenet.js')
  const token = given.tokenFile === undefined ? [] : ['--token-file', resolve(given.tokenFile)]
  const name = given.name === undefined ? [] : ['--name', given.name]
  const places = ['--state-dir', stateDir, '--cache-dir', cacheDir]
  const up = [
    'up',
    '--plain',
    '--server',
    given.server,
    '--preset',
    given.preset,
    ...name,
    ...token,
    ...places,
  ]
  return { command: [process.execPath, entry, ...up], stateDir, cacheDir, memoryMax: given.memoryMax }
}

async function perform(plan: Plan, platform: Platform, talk: Talk): Promise<number> {
  const probed = await run(plan.probe)
  if (probed.exit !== 0) throw noManager(platform, probed.said)
  for (const directory of plan.directories) await mkdir(directory, { recursive: true, mode: 0o700 })
  if (plan.write !== null) {
    const { path, text, encoding } = plan.write
    await mkdir(dirname(path), { recursive: true })
    await writeDurably(path, Buffer.from(encoding === 'utf16le' ? `\ufeff${text}` : text, encoding))
  }
  for (const command of plan.commands) {
    const { exit, said } = await run(command)
    if (said !== '') talk.say(said)
    // Taking out what is half there must not stop at the half that is not.
    if (exit !== 0 && plan.remove === null) return EXIT.failure
  }
  if (plan.remove !== null) await rm(plan.remove, { force: true })
  for (const command of plan.after) await run(command)
  if (plan.hint !== null) talk.say(plan.hint)
  return EXIT.ok
}

function noManager(platform: Platform, said: string): Failure {
  const hints: Readonly<Record<Platform, string>> = {
    linux:
      'Log in as that user (su and sudo start no session), or `loginctl enable-linger USER` and set XDG_RUNTIME_DIR. Without systemd let cron start `xeenet up` (@reboot).',
    darwin: 'Log in at the screen of that user once.',
    win32: 'Start the Task Scheduler service.',
  }
  return new Failure(EXIT.failure, 'no_service_manager', {
    what: `no service manager of this user answers: ${said || 'its program is not there'}`,
    hint: hints[platform],
  })
}

interface Ran {
  readonly exit: number
  readonly said: string
}

function run([program = '', ...args]: readonly string[]): Promise<Ran> {
  return new Promise(done => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const said = Promise.all([readAll(child.stdout), readAll(child.stderr)])
    child.on('error', error => done({ exit: EXIT.failure, said: error.message }))
    child.on('close', exit =>
      said.then(([out, err]) => done({ exit: exit ?? EXIT.failure, said: `${out}${err}`.trim() })),
    )
  })
}
