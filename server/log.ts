import { type Logger, pino } from 'pino'

export type Log = Logger

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Writes one JSON line per event to stderr: stdout is for data. Synchronous, so that the last words are not lost. */
export function openLog(level: LogLevel): Log {
  return pino({ level, base: {} }, pino.destination({ fd: 2, sync: true }))
}
