import { join } from 'node:path'
import type { Knex } from 'knex'
import { openDatabase } from '#store/database.ts'
import { migrate } from '#store/migrate.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import { startPostgres } from './postgres/start.ts'
import { findRunning } from './running.ts'

/** Where the embedded database of a data directory lives. */
const postgresDirectory = (dataDir: string): string => join(dataDir, 'postgres')

/** Where the embedded PostgreSQL keeps its data, and what it consists of. */
export const embedded = ({ dataDir, postgresBin }: Config) => ({
  dataDir: postgresDirectory(dataDir),
  programs: postgresBin,
})

/** A refusal of an operator's command: a stable code and a remedy. */
export class OperatorError extends Error {
  readonly code: string
  readonly hint: string

  constructor(code: string, message: string, hint: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/**
 * Runs `work` on the server's database: the one of DATABASE_URL, the running server's, or else the embedded one, which is
 * started for as long as it takes.
 */
export async function withDatabase<T>(
  config: Config,
  log: Log,
  work: (knex: Knex) => Promise<T>,
): Promise<T> {
  return withConnection(config, log, connectionString => withPool(connectionString, log, work))
}

/** The same, by its address. */
export async function withConnection<T>(
  config: Config,
  log: Log,
  work: (connectionString: string) => Promise<T>,
): Promise<T> {
  const known = config.databaseUrl ?? (await findRunning(config.dataDir))?.connectionString
  if (known !== undefined) return work(known)
  const postgres = await startPostgres({ ...embedded(config), log })
  try {
    return await work(postgres.connectionString)
  } finally {
    await postgres.stop()
  }
}

export async function withPool<T>(
  connectionString: string,
  log: Log,
  work: (knex: Knex) => Promise<T>,
): Promise<T> {
  const knex = openDatabase({ connectionString, poolMax: 2, warn: message => log.debug(message) })
  try {
    await migrate(knex)
    return await work(knex)
  } finally {
    await knex.destroy()
  }
}

/** What an error says to an operator: every refusal of ours carries a code and a hint. Undefined for a bug. */
export function describeRefusal(error: unknown): { code: string; title: string; hint: string } | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  if ('hint' in error && typeof error.hint === 'string')
    return { code: error.code, title: error.message, hint: error.hint }
  const hint = SYSTEM_HINTS[error.code]
  return hint === undefined ? undefined : { code: error.code.toLowerCase(), title: error.message, hint }
}

const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program listens on this port: choose another with --port, or 0 for any free one.',
  EADDRNOTAVAIL: 'This machine has no such address: choose another with --host.',
  EACCES: 'Check who may read and write the data directory.',
  ENOENT: 'Check the path.',
  ECONNREFUSED: 'PostgreSQL does not answer: check DATABASE_URL, or start the server first.',
  '28P01': 'PostgreSQL refused the password in DATABASE_URL.',
  '28000': 'PostgreSQL refused the user in DATABASE_URL.',
  '3D000': 'The database in DATABASE_URL does not exist: create it first.',
}
