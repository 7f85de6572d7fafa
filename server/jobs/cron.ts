import cron, { type ScheduledTask } from 'node-cron'
import { isUnavailable } from '#store/errors.ts'
import type { JobLog } from './deps.ts'

export const EVERY_SECOND = '* * * * * *'
export const EVERY_OTHER_SECOND = '*/2 * * * * *'
export const EVERY_FIVE_SECONDS = '*/5 * * * * *'
export const EVERY_MINUTE = '0 * * * * *'
export const EVERY_FOUR_MINUTES = '30 */4 * * * *'
export const EVERY_TEN_MINUTES = '0 */10 * * * *'

/** Does something again and again, never twice at once. A failure is logged, and met again the next time. */
export function repeat(
  log: JobLog,
  { name, when, what }: { name: string; when: string; what: () => Promise<unknown> },
): ScheduledTask {
  const attempt = async (): Promise<void> => {
    try {
      await what()
    } catch (error) {
      const facts = { sweep: name, error: error instanceof Error ? error.message : String(error) }
      if (isUnavailable(error)) log.warn(facts, 'the database is away: trying again')
      else log.error(facts, 'a sweep failed')
    }
  }
  return cron.schedule(when, attempt, {
    ...{ name, noOverlap: true, suppressMissedWarning: true },
    logger: lateness(log, name),
  })
}

// What reads all there is grows with it: it may take this share of the time, and comes less often as it takes longer.
const SHARE = 1 / 20

/** The same, left out while less than twenty times as long as it took is over since it began. */
export function sparing(what: () => Promise<unknown>): () => Promise<void> {
  let next = 0
  return async () => {
    const began = performance.now()
    if (began < next) return
    await what()
    next = began + (performance.now() - began) / SHARE
  }
}

// Left alone it writes to stdout, as text. A round that is late is made up for by the next: worth a line, and no alarm.
function lateness(log: JobLog, sweep: string) {
  const note = (said: string | Error): void => {
    log.info({ sweep, said: said instanceof Error ? said.message : said }, 'a sweep was late')
  }
  return { info: note, warn: note, error: note, debug: () => undefined }
}
