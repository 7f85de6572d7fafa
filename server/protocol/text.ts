import { z } from 'zod'

/**
 * Text that people write, on one line: no control characters, which a terminal would obey, and no half of a surrogate
 * pair, which neither PostgreSQL nor RFC 8785 can carry.
 */
export const line = (charsMax: number) =>
  z
    .string()
    .max(charsMax)
    .refine(value => isPlain(value), 'contains a control character or half a character')

/** The same on several lines. */
export const lines = (charsMax: number) =>
  z
    .string()
    .max(charsMax)
    .refine(
      value => isPlain(value.replace(/[\n\t]/g, ' ')),
      'contains a control character or half a character',
    )

/** What is left of a text of any origin when it has to pass as `lines(charsMax)`. */
export const asLines = (text: string, charsMax: number): string =>
  text
    .slice(0, charsMax)
    .toWellFormed()
    .replace(/\p{Cc}/gu, char => (char === '\n' || char === '\t' ? char : ' '))

const isPlain = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text)
