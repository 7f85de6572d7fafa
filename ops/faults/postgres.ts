import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningPostgres, startPostgres } from '#server/postgres/start.ts'
import { tryKill } from '../kill.ts'

/** A PostgreSQL that somebody else looks after: whenever it ends, it is started again at once. */
export interface OutsidePostgres {
  readonly connectionString: string
  /** Kills it (SIGKILL), or has it end in order (SIGINT; killed if it does not), and waits until it is there again. */
  end(signal: 'SIGKILL' | 'SIGINT'): Promise<void>
  /** Resolves as soon as it is there. @throws with the reason when it could not be started for a minute */
  ready(): Promise<void>
  stop(): Promise<void>
}

const SILENT = { info: () => undefined, warn: () => undefined }
const RETRY_MS = 100
const PATIENCE_MS = 60_000
// As an init system does: PostgreSQL 18.4 that is asked to end while it begins to recover from a crash may never end (seed 407).
const END_MS_MAX = 10_000
// Four processes with a pool each, and those that look.
const SETTINGS = { max_connections: '150', max_wal_size: '64MB', min_wal_size: '32MB' }

/** Starts one on `dataDir`. While it cannot be started again, whoever waits for it for a minute is told why. */
export async function keepPostgres(dataDir: string): Promise<OutsidePostgres> {
  const start = (): Promise<RunningPostgres> => startPostgres({ dataDir, log: SILENT, settings: SETTINGS })
  let running = await start()
  let isThere = true
  let again = Promise.withResolvers<void>()
  let refusal: unknown
  let stopping = false
  const kept = keep()

  async function keep(): Promise<void> {
    while (!stopping) {
      await running.died
      isThere = false
      while (!stopping && !(await startAgain())) await sleep(RETRY_MS)
      again.resolve()
      again = Promise.withResolvers()
    }
  }

  async function startAgain(): Promise<boolean> {
    try {
      running = await start()
      isThere = true
      return true
    } catch (error) {
      refusal = error // its disk is full, say
      return false
    }
  }

  async function back(next: Promise<void>): Promise<void> {
    refusal = undefined
    const waiting = new AbortController()
    const late = sleep(PATIENCE_MS, 'late', { signal: waiting.signal }).catch(() => undefined)
    if ((await Promise.race([next, late]).finally(() => waiting.abort())) !== 'late') return
    const now = isThere ? 'it has not ended' : 'it is still starting'
    throw new Error(`PostgreSQL did not come back within a minute: ${refusal ?? now}`)
  }

  return {
    connectionString: running.connectionString,
    end: async signal => {
      const [next, { pid }] = [again.promise, running]
      process.kill(pid, signal)
      const killer = setTimeout(() => isThere && pid === running.pid && tryKill(pid), END_MS_MAX)
      await back(next).finally(() => clearTimeout(killer))
    },
    ready: async () => {
      if (!isThere) await back(again.promise)
    },
    stop: async () => {
      stopping = true
      if (!isThere) await kept // or what is being started would outlive its directory
      await running.stop()
    },
  }
}

/** The same server, another database. */
export const databaseAt = (server: string, database: string): string =>
  server.replace(/\/[^/?]*(\?|$)/, `/${database}$1`)
