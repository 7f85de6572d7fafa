// The control socket of a running client: HTTP on a Unix socket in its state directory, which only its user can enter, or on a named
// pipe. Whoever may open it may steer the client, so it needs no token.

import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { join, resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from '../failure.ts'
import { LocalCommand, type LocalStatus, StatusRead } from './messages.ts'

/** What can be steered. */
export interface Seat {
  status(): LocalStatus
  command(command: LocalCommand): void
}

// The length of a socket's address in the kernel, with its end.
const PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107
const COMMAND_BYTES_MAX = 4096
const ANSWER_MS = 5_000

/** Where a client with this state directory listens; undefined where the path is too long for a socket. */
export function socketPath(stateDir: string): string | undefined {
  const directory = resolve(stateDir)
  if (process.platform === 'win32')
    return `\\\\.\\pipe\\xeenet-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`
  const path = join(directory, 'control.sock')
  return Buffer.byteLength(path) > PATH_BYTES_MAX ? undefined : path
}

/** Lets a client be steered until the returned function is called. Its caller holds the lock of the state directory. */
export async function listenForControl(stateDir: string, seat: Seat): Promise<() => Promise<void>> {
  const path = socketPath(stateDir)
  if (path === undefined) return async () => undefined
  const server = createServer((req, res) => {
    answer(seat, req, res).catch((error: unknown) => res.destroy(error instanceof Error ? error : undefined))
  })
  if (process.platform !== 'win32') await rm(path, { force: true }) // a killed client's: the lock is ours
  await new Promise<void>((done, fail) => server.once('error', fail).listen(path, done))
  return () =>
    new Promise(done => {
      server.close(() => done())
      server.closeAllConnections()
    })
}

async function answer(seat: Seat, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method === 'GET' && req.url === '/status') return json(res, 200, seat.status())
  if (req.method !== 'POST' || req.url !== '/command') return json(res, 404, { error: 'no such path' })
  const size = Number(req.headers['content-length'] ?? Number.NaN)
  if (!(size <= COMMAND_BYTES_MAX)) return json(res, 413, { error: 'a command is short' })
  const read = readCommand(await readAll(req))
  if (!read.success) return json(res, 400, { error: read.error.issues.map(i => i.message).join('; ') })
  seat.command(read.data)
  return json(res, 200, seat.status())
}

function readCommand(text: string) {
  try {
    return LocalCommand.safeParse(JSON.parse(text))
  } catch {
    return LocalCommand.safeParse(undefined) // not JSON: it says what was expected
  }
}

function json(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** The raw answer of the running client to a call; undefined when none runs. */
export function askSocket(
  stateDir: string,
  call: { readonly path: '/status' | '/command'; readonly body?: string },
): Promise<{ readonly status: number; readonly text: string } | undefined> {
  const socket = socketPath(stateDir)
  if (socket === undefined) return Promise.resolve(undefined)
  return new Promise((done, fail) => {
    const body = call.body ?? ''
    const asked = request(
      {
        socketPath: socket,
        path: call.path,
        method: call.body === undefined ? 'GET' : 'POST',
        headers: { 'content-length': Buffer.byteLength(body) },
        timeout: ANSWER_MS,
      },
      res => void readAll(res).then(text => done({ status: res.statusCode ?? 0, text }), fail),
    )
    asked.on('timeout', () => asked.destroy(new Error(`the client does not answer within ${ANSWER_MS} ms`)))
    asked.on('error', error => (nobodyThere(error) ? done(undefined) : fail(error)))
    asked.end(body)
  })
}

const nobodyThere = (error: Error): boolean =>
  'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')

/** Asks the client that uses a state directory. @throws Failure when none runs, or it refuses */
export async function steer(stateDir: string, command?: LocalCommand): Promise<StatusRead> {
  const call =
    command === undefined
      ? ({ path: '/status' } as const)
      : ({ path: '/command', body: JSON.stringify(command) } as const)
  const answered = await askSocket(stateDir, call)
  if (answered === undefined)
    throw new Failure(EXIT.failure, 'not_running', {
      what: `no client runs with the state directory ${stateDir}`,
      hint: 'xeenet up starts one, and xeenet service start where it is installed; --state-dir as you gave it there.',
    })
  if (answered.status !== 200)
    throw new Failure(EXIT.usage, 'command_refused', { what: `the client refused: ${answered.text}` })
  return StatusRead.parse(JSON.parse(answered.text))
}
