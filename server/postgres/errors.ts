/** Every way in which the embedded database refuses to start, with what to do about it. */
export const POSTGRES_HINTS = {
  database_in_use: 'Stop the other server first, or choose another data directory.',
  database_version:
    'This data directory was written by another PostgreSQL. Use the version that wrote it, or start with a new directory.',
  database_unsupported:
    'There is no embedded PostgreSQL for this machine. Set DATABASE_URL to a PostgreSQL of your own (16 or newer).',
  database_programs_missing:
    'XEENET_POSTGRES_BIN names the directory of initdb, postgres and pg_ctl, such as /usr/lib/postgresql/18/bin.',
  database_not_allowed:
    'Check who owns the data directory and whether it can be written, or set DATABASE_URL.',
  database_start_failed: 'The last lines of postgres.log in the data directory say why.',
  database_main_thread:
    'Start the embedded database from the main thread: its life is tied to the thread that started it.',
} as const

export type PostgresErrorCode = keyof typeof POSTGRES_HINTS

/** An expected refusal of the embedded database: a stable code, a sentence, and a remedy. */
export class PostgresError extends Error {
  readonly code: PostgresErrorCode
  readonly hint: string

  constructor(code: PostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PostgresError'
    this.code = code
    this.hint = POSTGRES_HINTS[code]
  }
}

/** Whether `error` is a system error with this code, such as ENOENT. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
