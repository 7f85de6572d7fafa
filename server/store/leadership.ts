import pg from 'pg'

/** Of the processes that may do something, the one that does it: the one whose session holds a lock of PostgreSQL. */
export interface Leadership {
  /**
   * Takes the lock if nobody has it, and says whether this process does: then no other led at the moment of the answer.
   * Rejects when the database is away.
   */
  leads(): Promise<boolean>
  /** Lets another one lead. */
  close(): Promise<void>
}

interface LeadershipOptions {
  readonly connectionString: string
  readonly lock: number
  /** Under which the session is listed in pg_stat_activity. */
  readonly name: string
}

/** Of whoever runs the sweeps. */
export const CRON_LOCK = 7316010

// A leader that PostgreSQL does not hear is none any more, and one that does not hear PostgreSQL stops before that.
const ANSWER_MS_MAX = 5_000
const KEEP_ALIVE = '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3'

/**
 * Asks on a session of its own, opened at the first question and again after it was lost: the lock is held for as long as that
 * lives, so it is never left behind, whatever ends the process. Nobody waits for the lock: a statement that waits for hours
 * would keep PostgreSQL from clearing away any row that died meanwhile.
 */
export function openLeadership({ connectionString, lock, name }: LeadershipOptions): Leadership {
  let client: pg.Client | undefined
  let asking: Promise<boolean> | undefined
  let isClosed = false

  async function open(): Promise<pg.Client> {
    const fresh = new pg.Client({
      ...{ connectionString, application_name: name, options: KEEP_ALIVE },
      ...{ query_timeout: ANSWER_MS_MAX, connectionTimeoutMillis: ANSWER_MS_MAX },
    })
    client = fresh
    fresh.on('error', () => drop(fresh)) // the next question says why, if it lasts
    fresh.on('end', () => drop(fresh))
    await fresh.connect()
    return fresh
  }
  function drop(which: pg.Client | undefined): void {
    if (client === which) client = undefined
    which?.end().catch(() => undefined) // it is broken: nothing is left to be closed in order
  }
  async function ask(): Promise<boolean> {
    if (isClosed) return false
    try {
      const { rows } = await (client ?? (await open())).query(TAKE_LOCK, [lock])
      return rows[0]?.leads === true
    } catch (error) {
      drop(client)
      throw error
    }
  }

  return {
    leads: () => {
      asking ??= ask().finally(() => {
        asking = undefined
      })
      return asking
    },
    close: async () => {
      isClosed = true
      const open = client
      client = undefined
      await open?.end()
    },
  }
}

// Whoever has it may take it again.
const TAKE_LOCK = 'select pg_try_advisory_lock($1) as leads'
