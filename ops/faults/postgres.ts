import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningPostgres, startPostgres } from '#server/postgres/start.ts'

/** A PostgreSQL that somebody else looks after: whenever it ends, it is started again at once. */
export interface OutsidePostgres {
  readonly connectionString: string
  /** Kills it (SIGKILL), or has it end in order (SIGINT), and waits until it is there again. */
  end(signal: 'SIGKILL' | 'SIGINT'): Promise<void>
  stop(): Promise<void>
}

const SILENT = { info: () => undefined, warn: () => undefined }
const RETRY_MS = 100
// Four processes with a pool each, and those that look.
const SETTINGS = { max_connections: '150', max_wal_size: '64MB', min_wal_size: '32MB' }

export async function keepPostgres(dataDir: string): Promise<OutsidePostgres> {
  const start = (): Promise<RunningPostgres> => startPostgres({ dataDir, log: SILENT, settings: SETTINGS })
  let running = await start()
  let again = Promise.withResolvers<void>()
  let stopping = false
  const kept = keep()

  async function keep(): Promise<void> {
    while (!stopping) {
      await running.died
      if (stopping) return
      for (let started = false; !started && !stopping; ) {
        try {
          running = await start()
          started = true
        } catch {
          await sleep(RETRY_MS) // its disk is full, say
        }
      }
      again.resolve()
      again = Promise.withResolvers()
    }
  }
  return {
    connectionString: running.connectionString,
    end: async signal => {
      const back = again.promise
      process.kill(running.pid, signal)
      await back
    },
    stop: async () => {
      stopping = true
      await Promise.race([running.stop(), kept])
    },
  }
}

/** The same server, another database. */
export const databaseAt = (server: string, database: string): string =>
  server.replace(/\/[^/?]*(\?|$)/, `/${database}$1`)
