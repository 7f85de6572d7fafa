import { type ChildProcess, fork, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import { z } from 'zod'
import { EXIT, EXIT_MEANINGS } from '#runtime/exit-codes.ts'
import { hoursText } from '#runtime/hours.ts'
import { Failure } from '../failure.ts'
import { parseJson } from '../files.ts'
import { type PageSeat, type StartWish, servePage } from '../local/page.ts'
import { askSocket } from '../local/socket.ts'
import { contextOf, DEFAULT_CACHE_DIR, DEFAULT_STATE_DIR, options, withServer } from '../options.ts'

const PAGES = join(import.meta.dirname, '..', '..', '..', 'build', 'web')

const OpenOptions = z.object({ stateDir: z.string(), cacheDir: z.string(), browser: z.boolean() })

/** `xeenet open`: the Start page of this machine. What starts on a double-click. */
export function openCommand(done: (exit: number) => void): Command {
  const command = withServer(new Command('open').description('the Start page of this machine, in a browser'))
    .option('--state-dir <dir>', 'key, token, leases and checkpoints', DEFAULT_STATE_DIR)
    .option('--cache-dir <dir>', 'kernels and data, by hash', DEFAULT_CACHE_DIR)
    .option('--no-browser', 'only print the address')
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    const given = options(OpenOptions, command)
    await access(join(PAGES, 'local.html')).catch(() => {
      throw new Failure(EXIT.failure, 'pages_not_built', {
        what: 'the page is not built',
        hint: 'npm run build',
      })
    })
    const seat = openPageSeat({ ...given, server: endpoint.server })
    const page = await servePage(PAGES, seat)
    talk.event(
      'page',
      { url: page.url },
      `The Start page of this machine: ${page.url}\nIt stays open until this window is closed (or Ctrl-C).`,
    )
    if (given.browser) showInBrowser(page.url)
    await new Promise<void>(ended =>
      process.once('SIGINT', ended).once('SIGTERM', ended).once('SIGHUP', ended),
    )
    await seat.close()
    await page.close()
    done(EXIT.ok)
  })
}

interface Places {
  readonly server: string
  readonly stateDir: string
  readonly cacheDir: string
}

interface OwnPageSeat extends PageSeat {
  close(): Promise<void>
}

/** A client that this process starts ends with it; one that runs already is only shown and steered. */
function openPageSeat(places: Places): OwnPageSeat {
  let { server } = places
  let child: Child | undefined
  let trouble: string | null = null

  async function status(asked?: string): Promise<object> {
    const call =
      asked === undefined ? ({ path: '/status' } as const) : ({ path: '/command', body: asked } as const)
    const answered = await askSocket(places.stateDir, call)
    const said = answered === undefined ? undefined : parseJson(answered.text)
    if (answered !== undefined && answered.status !== 200) return { error: answered.text }
    const running = Running.safeParse(said)
    if (running.success) server = running.data.server
    const starting = child !== undefined ? { ...STARTING } : null
    return {
      running: running.success ? running.data : starting,
      own: child !== undefined,
      trouble,
      server,
      machineCores: availableParallelism(),
    }
  }

  return {
    status: () => status(),
    command: body => status(body),
    server: () => server,
    start: async wish => {
      const there = await askSocket(places.stateDir, { path: '/status' })
      if (child === undefined && there === undefined) {
        trouble = null
        server = new URL(wish.server).origin
        const started = startChild({ ...places, server }, wish)
        child = started
        started.ended.then(why => {
          trouble = why
          child = undefined
        })
      }
      return status()
    },
    close: async () => {
      child?.process.kill('SIGTERM')
      await child?.ended
    },
  }
}

const Running = z.looseObject({ server: z.string() })
/** Of a client that has begun to start and has no socket yet. */
const STARTING = {
  ...{ phase: 'enrolling', mode: null, control: { state: 'run' }, host: null, preset: 'polite', cores: 1 },
  ...{ runs: [], computed: [], balanceMilli: null, offline: null, unsent: 0, log: [], trouble: null },
} as const

interface Child {
  readonly process: ChildProcess
  /** Why it ended; null if as asked. */
  readonly ended: Promise<string | null>
}

const ErrorEvent = z.looseObject({ ev: z.literal('error'), title: z.string(), hint: z.string().optional() })

function startChild({ server, stateDir, cacheDir }: Places, { settings }: StartWish): Child {
  const { preset, night, quiet, onBattery } = settings
  const args = [
    ...[
      'up',
      '--json',
      '--server',
      server,
      '--preset',
      preset,
      '--state-dir',
      stateDir,
      '--cache-dir',
      cacheDir,
    ],
    ...(preset === 'overnight' && night !== undefined ? ['--schedule', hoursText(night)] : []),
    ...(quiet == null ? [] : ['--quiet-hours', hoursText(quiet)]),
    ...(onBattery === true ? ['--on-battery'] : []),
  ]
  // In a process group of its own: a Ctrl-C reaches it through us only, once. A broken channel is an order to stop.
  const child = fork(join(import.meta.dirname, '..', 'xeenet.js'), args, {
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
    detached: true,
  })
  let words: string | undefined
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', line => {
      const error = ErrorEvent.safeParse(parseJson(line))
      if (error.success) words = [error.data.title, error.data.hint].filter(Boolean).join('. ')
    })
  const ended = new Promise<string | null>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('exit', code => resolve(code === EXIT.ok ? null : (words ?? meaningOf(code ?? EXIT.failure))))
  })
  return { process: child, ended }
}

const meaningOf = (exit: number): string =>
  EXIT_MEANINGS.find(([code]) => code === exit)?.[1] ?? `it ended with status ${exit}`

/** With whatever opens addresses here; the address was printed, too. */
function showInBrowser(url: string): void {
  const openers: Readonly<Record<string, readonly [string, ...string[]]>> = {
    darwin: ['open', url],
    win32: ['rundll32', 'url.dll,FileProtocolHandler', url],
  }
  const [program, ...args] = openers[process.platform] ?? ['xdg-open', url]
  spawn(program, args, { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref()
}
