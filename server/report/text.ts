// Whatever strangers wrote (titles, notes, reasons, values of recipes) goes through one of these three before it is printed.

/** Characters that show nothing or turn the direction of what follows. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** One line of Markdown text that means itself: every ASCII punctuation mark is escaped (CommonMark 2.4), so that nothing in it is a link, HTML or a table. */
export const inline = (text: string): string =>
  text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(UNSEEN, '')
    .trim()
    .replaceAll(/[!-/:-@[-`{-~]/g, mark => `\\${mark}`)

/** A code span, also inside a table. */
export function code(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll(UNSEEN, '').trim()
  const ticks = '`'.repeat(longestRun(line) + 1)
  const pad = line.startsWith('`') || line.endsWith('`') ? ' ' : ''
  // GFM takes a row apart before it looks for code.
  return line === '' ? '—' : `${ticks}${pad}${line.replaceAll('|', '\\|')}${pad}${ticks}`
}

/** A fenced block that the text cannot end. */
export function fenced(text: string): string {
  const lines = text.replaceAll('\r\n', '\n').replaceAll(/[^\n\t\P{Cc}]|[\p{Cf}\u2028\u2029]/gu, '')
  const fence = '`'.repeat(Math.max(3, longestRun(lines) + 1))
  return `${fence}text\n${lines}\n${fence}`
}

const longestRun = (text: string): number =>
  [...text.matchAll(/`+/g)].reduce((most, [run]) => Math.max(most, run.length), 0)

/** Text of an XML document: only what XML 1.0 can carry. */
export const xml = (text: string): string =>
  text
    .replaceAll(UNSEEN, '')
    .replaceAll(/[\p{Cs}\uFFFE\uFFFF]/gu, '') // halves of pairs, and what is no character
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

/** A GFM table; cells are Markdown already. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
