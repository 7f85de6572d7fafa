// The processes of a run and the bad network between them: hosts and a client - proxy - http; every process - proxy - PostgreSQL.

import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Role } from '#server/config.ts'
import { launch, type Program, XEENET } from '../process.ts'
import { databaseAt } from './postgres.ts'
import { type KeptProcess, keepServer } from './process.ts'
import { openProxy, portOf, type Wire } from './proxy.ts'
import type { Stage } from './stage.ts'

export interface Cast {
  /** What hosts and clients call. */
  readonly url: URL
  /** Two that answer calls; connections take turns. */
  readonly http: Two
  /** Two with all other roles; one of them leads. */
  readonly work: Two
  readonly all: readonly KeptProcess[]
  readonly toDatabase: Wire
  readonly toServer: Wire
  /** Starts `xeenet up` with a state of its own, again and again the same. */
  client(): Program
  stop(): Promise<void>
}

type Two = readonly [KeptProcess, KeptProcess]

/** Starts the server's processes, and waits until they take calls. */
export async function startCast(stage: Stage, database: string): Promise<Cast> {
  const [, socket = ''] = /[?]host=([^&]+)/.exec(stage.postgres.connectionString) ?? []
  const toDatabase = await openProxy(() => ({ path: `${decodeURIComponent(socket)}/.s.PGSQL.5432` }))
  const ports = [await freePort(), await freePort()]
  let turn = 0
  const toServer = await openProxy(() => ({ port: ports[turn++ % 2] ?? 0, host: '127.0.0.1' }))
  const env = {
    ...stage.env,
    DATABASE_URL: databaseAt(`postgresql://xeenet@127.0.0.1:${toDatabase.port}/postgres`, database),
  }
  const start = (name: string, roles: string, more: NodeJS.ProcessEnv = {}): KeptProcess =>
    keepServer(name, { ...env, XEENET_ROLES: roles, ...more })
  const answers = (n: 0 | 1) => start(`http ${n + 1}`, 'http', { PORT: String(ports[n]) })
  const others = Role.options.filter(role => role !== 'http').join(',')
  const http = [answers(0), answers(1)] as const
  const work = [start('work 1', others), start('work 2', others)] as const
  const all = [...http, ...work]
  const url = new URL(`http://127.0.0.1:${toServer.port}`)
  const cast: Cast = {
    ...{ url, http, work, all, toDatabase, toServer },
    client: () => startClient(stage, database, url),
    stop: async () => {
      await Promise.all(all.map(process => process.stop()))
      await toServer.close()
      await toDatabase.close()
    },
  }
  try {
    await Promise.all([
      ...http.map(process => process.now().ready),
      mkdir(clientDir(stage, database), { recursive: true }),
    ])
  } catch (error) {
    await cast.stop()
    throw error
  }
  return cast
}

const clientDir = ({ dir }: Stage, database: string): string => join(dir, 'clients', database)

function startClient(stage: Stage, database: string, url: URL): Program {
  const state = clientDir(stage, database)
  const where = ['--server', url.href, '--token-file', stage.enrolTokenFile, '--name', 'otter']
  const how = ['--state-dir', state, '--cache-dir', join(state, 'cache'), '--cores', '1', '--preset', 'all']
  return launch('otter', [XEENET, 'up', ...where, ...how, '--json'])
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server.address())
  await once(server.close(), 'close')
  return port
}
