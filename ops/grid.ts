import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { launch, type Program, stop, XEENET, xeenet } from './process.ts'

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
  /** Starts the server again on the same data, after it was killed. */
  restartServer(): Promise<Grid>
  get<Reply>(path: string, schema: z.ZodType<Reply>): Promise<Reply>
  /** Ends everything that is still running. */
  stop(): Promise<void>
}

type TokenScope = 'enrol' | 'campaign' | 'kernel' | 'admin'

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

const UserReply = z.looseObject({ userId: z.string() })
const TokenReply = z.looseObject({ token: z.string() })
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
  const admin = <Reply>(args: readonly string[], schema: z.ZodType<Reply>): Promise<Reply> =>
    xeenet(['admin', ...args, '--data-dir', dataDir], schema, env)

  async function tokenFile(user: string, scope: TokenScope): Promise<string> {
    const { token } = await admin(['user', 'token', user, '--scope', scope], TokenReply)
    const file = join(dir, `${user}.${scope}.token`)
    await writeFile(file, `${token}\n`, { mode: 0o600 })
    return file
  }

  async function volunteer(owner: string, options: VolunteerOptions = {}): Promise<Program> {
    const program = await attach({ dir, url, owner, tokenFile: await tokenFile(owner, 'enrol'), options })
    programs.push(program)
    return program
  }

  return {
    url,
    dataDir,
    server,
    addUser: async (name, role, starterMilli) => {
      const starter = starterMilli === undefined ? [] : ['--starter', String(starterMilli)]
      return (await admin(['user', 'add', name, '--role', role, ...starter], UserReply)).userId
    },
    tokenFile,
    volunteer,
    restartServer: () => startGrid({ ...options, port: Number(new URL(url).port) }),
    get: async (path, schema) => {
      const response = await fetch(new URL(path, url))
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      return schema.parse(await response.json())
    },
    stop: async () => {
      // Volunteers first: a client that meets a closed server backs off and takes longer to stop.
      for (const program of programs.toReversed()) await stop(program)
    },
  }
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
