/** Whether a statement was ended because it took longer than it may. SQLSTATE 57014. */
export const isCutOff = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '57014'

/** Whether a transaction was ended because it and another waited for each other. SQLSTATE 40P01. */
export const isDeadlock = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '40P01'

/** The constraint that a statement violated, or undefined when `error` is something else. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('constraint' in error)) return undefined
  const violation = typeof error.code === 'string' && error.code.startsWith('23')
  return violation && typeof error.constraint === 'string' ? error.constraint : undefined
}

/**
 * Whether `error` says that the database (or the bucket, bucket.ts) is away or was cut off in the middle: the caller may repeat
 * everything later.
 * SQLSTATE classes 08 (connection), 57P (shutdown), 40 (rolled back), 53 (out of resources), everything of severity FATAL
 * (the session is over), errors of the socket, and knex's own about an empty pool.
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return (
    /^(08|57P|40|53)/.test(code) ||
    code === 'files_unreachable' ||
    ('severity' in error && error.severity === 'FATAL') ||
    SOCKET_ERRORS.includes(code) ||
    error.name === 'KnexTimeoutError' ||
    LOST_CONNECTION.test(error.message)
  )
}

const SOCKET_ERRORS = ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'ENOTCONN', 'EAI_AGAIN']
// pg and knex give these no code.
const LOST_CONNECTION =
  /Connection terminated|Query read timeout|timeout expired|connection error and is not queryable|Unable to acquire a connection|Connection ended unexpectedly/
