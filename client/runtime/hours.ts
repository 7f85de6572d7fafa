/** Hours of the day, local time: [from, to) in minutes since midnight, over midnight if from > to. */
export type Hours = readonly [from: number, to: number]

/** `22:00-07:00` as minutes since midnight; undefined if it is not that. */
export function parseHours(text: string): Hours | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim())
  if (match === null) return undefined
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = match.slice(1).map(Number)
  return [fromHour * 60 + fromMinute, toHour * 60 + toMinute]
}

/** The same as text. */
export const hoursText = ([from, to]: Hours): string => `${clock(from)}-${clock(to)}`

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

export function within([from, to]: Hours, minute: number): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to
}

export const minuteOfDay = (at: Date): number => at.getHours() * 60 + at.getMinutes()
