import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import { addToken, addUser } from '#server/admin-users.ts'
import { systemClock } from '#server/clock.ts'
import { secureIds } from '#server/ids.ts'
import { theRunning } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'
import type { Scope } from '#store/tokens.ts'
import { launch, type Program, stop, XEENET } from './process.ts'

/**
 * A small grid of real processes on this machine: a server with its verifier, and volunteers of different owners.
 * The demo and the process tests run on it.
 */
export interface Grid {
  readonly url: string
  readonly dataDir: string
  readonly server: Program
  /** Creates a user and returns its id; `starterMilli` is the credit it begins with. */
  addUser(name: string, role: 'volunteer' | 'researcher' | 'operator', starterMilli?: number): Promise<string>
  /** A new token of that user, in a file that only we can read. */
  tokenFile(user: string, scope: TokenScope): Promise<string>
  /** `xeenet up` as a process of its own, with its own state; `program` replaces the client (a liar, say). */
  volunteer(owner: string, options?: VolunteerOptions): Promise<Program>
  /** `xeenet verify` as a process of its own, for a server that was started with `--no-verifier`. */
  verifier(args?: readonly string[]): Program
  /** Starts the server again on the same data, after it was killed; `serverArgs` replace those that it had. */
  restartServer(serverArgs?: readonly string[]): Promise<Grid>
  get<Reply>(path: string, schema: z.ZodType<Reply>): Promise<Reply>
  /** Ends everything that is still running. */
  stop(): Promise<void>
}

type TokenScope = Extract<Scope, 'enrol' | 'campaign' | 'kernel' | 'admin'>

interface VolunteerOptions {
  readonly host?: string
  readonly program?: readonly [string, ...string[]]
  readonly args?: readonly string[]
}

interface GridOptions {
  readonly dir: string
  readonly env?: NodeJS.ProcessEnv
  readonly port?: number
  readonly serverArgs?: readonly string[]
}

const Ready = z.looseObject({ url: z.string() })

/** Starts a server below `dir` and waits until it takes calls. */
export async function startGrid(options: GridOptions): Promise<Grid> {
  const { dir, env = {}, serverArgs = [] } = options
  const dataDir = join(dir, 'server')
  const port = String(options.port ?? 0)
  const server = launch(
    'server',
    [XEENET, 'serve', '--data-dir', dataDir, '--port', port, '--json', ...serverArgs],
    env,
  )
  const { url } = Ready.parse(await server.until(event => event.ev === 'ready'))
  const programs: Program[] = [server]

  async function tokenFile(name: string, scope: TokenScope): Promise<string> {
    const wish = { name, scopes: [scope], expiresAt: null, ids: secureIds, now: systemClock() }
    const { token } = await asOperator(dataDir, knex => addToken(knex, wish))
    const file = join(dir, `${name}.${scope}.token`)
    await writeFile(file, `${token}\n`, { mode: 0o600 })
    return file
  }

  async function volunteer(owner: string, options: VolunteerOptions = {}): Promise<Program> {
    const program = await attach({ dir, url, owner, tokenFile: await tokenFile(owner, 'enrol'), options })
    programs.push(program)
    return program
  }

  function verifier(args: readonly string[] = []): Program {
    const program = launchVerifier({ dir, dataDir, url, args })
    programs.push(program)
    return program
  }

  return {
    url,
    dataDir,
    server,
    addUser: async (name, role, starterMilli) => {
      const wish = { name, role, starterMilli, ids: secureIds, now: systemClock() }
      return (await asOperator(dataDir, knex => addUser(knex, wish))).userId
    },
    tokenFile,
    volunteer,
    verifier,
    restartServer: (args = serverArgs) =>
      startGrid({ ...options, serverArgs: args, port: Number(new URL(url).port) }),
    get: async (path, schema) => {
      const response = await fetch(new URL(path, url))
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      return schema.parse(await response.json())
    },
    stop: async () => {
      // Volunteers first: a client that meets a closed server backs off and takes longer to stop.
      await Promise.all(programs.slice(1).map(program => stop(program)))
      await stop(server)
    },
  }
}

/** What `xeenet admin` does, without a process for each user and token of every test. */
async function asOperator<T>(dataDir: string, act: (knex: Knex) => Promise<T>): Promise<T> {
  const { connectionString } = await theRunning(dataDir)
  const knex = openDatabase({ connectionString, poolMax: 1, warn: () => undefined })
  return act(knex).finally(() => knex.destroy())
}

interface Verifying {
  readonly dir: string
  readonly dataDir: string
  readonly url: string
  readonly args: readonly string[]
}

function launchVerifier({ dir, dataDir, url, args }: Verifying): Program {
  const token = ['--token-file', join(dataDir, 'secrets', 'verify.token')]
  const home = join(dir, 'verifier')
  const places = ['--state-dir', home, '--cache-dir', join(home, 'cache')]
  const who = ['--server', url, ...token, '--cores', '1', '--json']
  return launch('verifier', [XEENET, 'verify', ...who, ...places, ...args])
}

interface Attachment {
  readonly dir: string
  readonly url: string
  readonly owner: string
  readonly tokenFile: string
  readonly options: VolunteerOptions
}

async function attach({ dir, url, owner, tokenFile, options }: Attachment): Promise<Program> {
  const host = options.host ?? owner
  const state = join(dir, 'hosts', host)
  await mkdir(state, { recursive: true })
  const program = launch(host, [
    ...(options.program ?? ([XEENET, 'up'] as const)),
    ...['--server', url, '--token-file', tokenFile, '--name', host],
    ...[
      '--state-dir',
      state,
      '--cache-dir',
      join(state, 'cache'),
      '--cores',
      '1',
      '--preset',
      'all',
      '--json',
    ],
    ...(options.args ?? []),
  ])
  await program.until(event => event.ev === 'enrolled')
  return program
}

const Enrolled = z.looseObject({ host: z.string() })

/** The id under which a volunteer enrolled. */
export const hostIdOf = (program: Program): string =>
  Enrolled.parse(program.events.find(event => event.ev === 'enrolled')).host
