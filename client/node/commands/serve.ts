import { type ChildProcess, type ForkOptions, fork, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { ServerReady } from '#protocol/process.ts'
import { backoffMs } from '#runtime/backoff.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from '../failure.ts'
import { openTalk, type Talk } from '../talk.ts'
import { SERVER_DIRECTORY } from './admin.ts'

const ROOT = join(SERVER_DIRECTORY, '..')

/**
 * `xeenet serve`: the server as a child, and beside it a verifier, which is the ordinary client with the platform's
 * token. All flags but our own go to the server. Both children end when this process does, however it ends: the server
 * drains for at most 20 s, and a broken IPC channel is an order to stop.
 */
export function serveCommand(done: (exit: number) => void): Command {
  return new Command('serve')
    .description('run a server, its PostgreSQL and a verifier')
    .argument('[flags...]', 'of the server: --port, --host, --data-dir, --database-url …')
    .option('--json', 'print JSON')
    .option('--no-verifier', 'compute no checks here')
    .option('--verifier-cores <n>', 'cores for checks', '1')
    .option(
      '--verifier-engines <classes>',
      'auto: all that pass their self-test here; or some, as wasm,onnx-cpu',
      process.env.XEENET_ENGINES ?? 'auto',
    )
    .allowUnknownOption()
    .action(async (flags: readonly string[], given: ServeOptions) => done(await serve(flags, given)))
}

// In process groups of their own: a Ctrl-C reaches them through us only, once, and not as the second, impatient one.
const CHILD: ForkOptions = { stdio: ['ignore', 2, 2, 'ipc'], detached: true }

interface ServeOptions {
  readonly json?: boolean
  readonly verifier: boolean
  readonly verifierCores: string
  readonly verifierEngines: string
}

async function serve(flags: readonly string[], given: ServeOptions): Promise<number> {
  const talk = openTalk(given.json === true)
  if (!existsSync(join(SERVER_DIRECTORY, 'main.ts')))
    throw new Failure(EXIT.failure, 'server_missing', { what: 'this installation has no server part' })
  await buildKernels(talk)
  await buildPages(talk)
  const server = fork(join(SERVER_DIRECTORY, 'main.ts'), [...flags], CHILD)
  const stopping = new AbortController()
  const ended = endOf(server)
  const stop = (): void => {
    stopping.abort()
    server.kill('SIGTERM')
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    const ready = await Promise.race([readyOf(server), ended])
    if (typeof ready === 'number') {
      if (stopping.signal.aborted) return EXIT.ok
      throw new Failure(EXIT.failure, 'server_failed', { what: 'the server did not start; its log says why' })
    }
    talk.event(
      'ready',
      { url: ready.url, dataDir: ready.dataDir },
      `serving ${ready.url}  (data in ${ready.dataDir})`,
    )
    const { operatorUrl } = ready
    if (operatorUrl !== undefined)
      talk.event(
        'operator_url',
        { url: operatorUrl, expires_s: 3600 },
        `there is no operator yet. Open ${operatorUrl}  (once, within an hour)`,
      )
    const verifier = given.verifier ? keepVerifying(ready, given, stopping.signal) : Promise.resolve()
    const exit = await ended
    stopping.abort()
    await verifier
    return exit
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** A fresh clone has no kernels yet. */
async function buildKernels(talk: Talk): Promise<void> {
  const directory = process.env.XEENET_KERNELS_DIR ?? join(ROOT, 'build', 'kernels')
  const built = await readdir(directory).catch(() => [])
  if (built.some(name => name.endsWith('.tar'))) return
  talk.say('building the kernels …')
  const child = spawn(process.execPath, [join(ROOT, 'ops', 'build-kernels.ts')], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  })
  if ((await endOf(child)) !== 0)
    throw new Failure(EXIT.failure, 'kernels_not_built', {
      what: 'the kernels could not be built',
      hint: 'npm run build',
    })
}

/** Built again whenever their source changed; a server without pages still serves its volunteers. */
async function buildPages(talk: Talk): Promise<void> {
  if (process.env.XEENET_WEB_DIR !== undefined) return
  const child = spawn(process.execPath, [join(ROOT, 'ops', 'build-web.ts')], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  })
  if ((await endOf(child)) !== 0)
    talk.say('the pages could not be built; the server starts without: npm run build')
}

const endOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', code => resolve(code ?? EXIT.failure))
  })

function readyOf(server: ChildProcess): Promise<ServerReady> {
  return new Promise(resolve => {
    server.on('message', message => {
      const ready = ServerReady.safeParse(message)
      if (ready.success) resolve(ready.data)
    })
  })
}

/** Runs a verifier until told to stop; one that dies is started again, later each time. */
async function keepVerifying(ready: ServerReady, given: ServeOptions, stopping: AbortSignal): Promise<void> {
  for (let attempt = 1; !stopping.aborted; attempt++) {
    const verifier = startVerifier(ready, given)
    const stop = (): boolean => verifier.kill('SIGTERM')
    stopping.addEventListener('abort', stop)
    await endOf(verifier)
    stopping.removeEventListener('abort', stop)
    await sleep(backoffMs(attempt, Math.random, 1_000), undefined, { signal: stopping }).catch(
      () => undefined,
    )
  }
}

function startVerifier(ready: ServerReady, given: ServeOptions): ChildProcess {
  return fork(join(import.meta.dirname, '..', 'xeenet.js'), verifierArguments(ready, given), {
    ...CHILD,
    stdio: ['ignore', 'ignore', 2, 'ipc'],
  })
}

/** The command line of the verifier beside a server. */
export function verifierArguments(
  { url, dataDir, verifyTokenFile }: ServerReady,
  { verifierCores, verifierEngines }: Pick<ServeOptions, 'verifierCores' | 'verifierEngines'>,
): readonly string[] {
  const home = join(dataDir, 'verifier')
  const who = ['--server', url, '--token-file', verifyTokenFile, '--name', 'verifier']
  const lends = ['--cores', verifierCores, '--engines', verifierEngines]
  const places = ['--state-dir', home, '--cache-dir', join(home, 'cache')]
  return ['verify', ...who, ...lends, ...places, '--json']
}
