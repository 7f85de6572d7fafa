import { setTimeout as sleep } from 'node:timers/promises'
import { connectionString } from './endpoint.ts'
import { launchServer, type Prepared, type Server } from './server.ts'
import { type PostgresLog, prepareAndLaunch, type StartOptions } from './start.ts'

/** An embedded database that is started again whenever it ends by itself. */
export interface SupervisedPostgres {
  readonly connectionString: string // stays valid over restarts
  pid(): number | undefined // undefined while it is down
  stop(): Promise<void>
}

/**
 * Starts the embedded PostgreSQL like `startPostgres` and keeps it running until `stop`: when it is killed it is started
 * again, recovering everything that was committed. The connections to the dead server are lost; callers repeat what
 * failed. Throws like `startPostgres` when the first start fails; later failures are logged and tried again.
 */
export async function supervisePostgres(options: StartOptions): Promise<SupervisedPostgres> {
  const { prepared, server, release } = await prepareAndLaunch(options)
  const supervision: Supervision = { prepared, log: options.log, stopping: new AbortController(), server }
  const ended = keepRunning(supervision).finally(release)
  return {
    connectionString: connectionString(prepared.endpoint),
    pid: () => supervision.server?.pid,
    stop: async () => {
      supervision.stopping.abort()
      await supervision.server?.stop()
      await ended
    },
  }
}

interface Supervision {
  readonly prepared: Prepared
  readonly log: PostgresLog
  readonly stopping: AbortController
  server: Server | undefined
}

// The first restart is immediate: a killed server must not cost anybody a lease. One that keeps dying is given time.
const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 10_000
// A server that lived this long was well: the next restart is immediate again.
const HEALTHY_MS = 30_000

async function keepRunning(supervision: Supervision): Promise<void> {
  const { log, stopping } = supervision
  let pauseMs = 0
  while (supervision.server !== undefined) {
    const startedAt = performance.now()
    const reason = await supervision.server.exited
    supervision.server = undefined
    if (stopping.signal.aborted) return
    if (performance.now() - startedAt > HEALTHY_MS) pauseMs = 0
    log.warn({ reason: reason.message, pauseMs }, 'PostgreSQL ended by itself and is started again')
    supervision.server = await restart(supervision, pauseMs)
    pauseMs = longer(pauseMs)
  }
}

// Undefined when it was told to stop meanwhile.
async function restart(supervision: Supervision, firstPauseMs: number): Promise<Server | undefined> {
  const { prepared, log, stopping } = supervision
  for (let pauseMs = firstPauseMs; !stopping.signal.aborted; pauseMs = longer(pauseMs)) {
    await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    try {
      const server = await launchServer(prepared)
      if (!stopping.signal.aborted) {
        log.info({ pid: server.pid }, 'PostgreSQL is ready again')
        return server
      }
      await server.stop()
    } catch (error) {
      log.warn({ reason: String(error), pauseMs: longer(pauseMs) }, 'PostgreSQL did not start; trying again')
    }
  }
  return undefined
}

const longer = (pauseMs: number): number => Math.min(BACKOFF_MS_MAX, Math.max(BACKOFF_MS_MIN, pauseMs * 2))
