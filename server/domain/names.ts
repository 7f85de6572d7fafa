import { USER_NAME_CHARS_MAX, USER_NAME_CHARS_MIN } from '#protocol/limits.ts'

// Letters that look like a Latin one, after everything was made lower case: Unicode's confusables (UTS 39), as far as they are letters
// of Cyrillic, Greek, Armenian and Cherokee that people really mistake, and what looks alike within Latin.
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  ...{
    а: 'a',
    с: 'c',
    ԁ: 'd',
    е: 'e',
    һ: 'h',
    і: 'l',
    ј: 'j',
    к: 'k',
    ӏ: 'l',
    о: 'o',
    р: 'p',
    ԛ: 'q',
    ѕ: 's',
  },
  ...{ г: 'r', т: 't', у: 'y', ѵ: 'v', ԝ: 'w', х: 'x', в: 'b', н: 'h', м: 'm', п: 'n', и: 'u', ѡ: 'w' },
  ...{
    α: 'a',
    β: 'b',
    ε: 'e',
    η: 'n',
    ι: 'l',
    κ: 'k',
    ν: 'v',
    ο: 'o',
    ρ: 'p',
    τ: 't',
    υ: 'u',
    χ: 'x',
    γ: 'y',
  },
  ...{
    օ: 'o',
    ս: 'u',
    ո: 'n',
    հ: 'h',
    ց: 'g',
    զ: 'q',
    ı: 'l',
    ɡ: 'g',
    ɑ: 'a',
    ø: 'o',
    ł: 'l',
    đ: 'd',
    ħ: 'h',
  },
  ...{ i: 'l', '1': 'l', '|': 'l', '0': 'o' },
}

/**
 * What a name looks like: equal for names that are taken for each other. Compatibility forms, case, accents, spaces and
 * punctuation do not count, nor does the script of a letter that looks Latin. Never shown.
 */
export function nameKey(name: string): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[\p{M}\p{Cf}]/gu, '')
  const letters = [...plain].map(char => LOOKS_LIKE[char] ?? char).join('')
  const key = letters
    .replaceAll(/[\s_.'’-]+/gu, '')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
  return key === '' ? name : key
}

/** A name as it is kept: composed, with one space where there were several. */
export const tidyName = (name: string): string => name.normalize('NFKC').trim().replaceAll(/\s+/gu, ' ')

// Scripts that one word may mix, besides digits and marks. Names of two alphabets are how people are deceived.
const WRITING: readonly RegExp[] = [
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Latin}]*$/u,
  /^[\p{Script=Han}\p{Script=Hangul}\p{Script=Latin}]*$/u,
  /^[\p{Script=Han}\p{Script=Bopomofo}\p{Script=Latin}]*$/u,
  .../* one alone */ ['Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Bengali', 'Tamil', 'Thai'].map(
    only,
  ),
  ...['Georgian', 'Armenian', 'Ethiopic', 'Khmer', 'Lao', 'Myanmar', 'Sinhala', 'Telugu', 'Kannada'].map(
    only,
  ),
  ...['Malayalam', 'Gujarati', 'Gurmukhi', 'Tibetan', 'Mongolian', 'Cherokee', 'Thaana', 'Oriya'].map(only),
]

function only(script: string): RegExp {
  return new RegExp(`^\\p{Script=${script}}*$`, 'u')
}

// Whoever has such a name speaks for the server.
const RESERVED = [
  'admin',
  'administrator',
  'anonymous',
  'deleted',
  'escrow',
  'everybody',
  'forfeit',
  'held',
  'mint',
]
  .concat(['moderator', 'nobody', 'official', 'operator', 'platform', 'root', 'server', 'staff', 'support'])
  .concat(['system', 'verifier', 'xeenet', 'me', 'null', 'undefined'])
  .map(nameKey)

/** What is wrong with a tidy name that somebody wants to sign up with; undefined when nothing is. */
export function nameFault(name: string): string | undefined {
  const length = [...name].length
  if (length < USER_NAME_CHARS_MIN || length > USER_NAME_CHARS_MAX)
    return `it has ${length} characters, and may have ${USER_NAME_CHARS_MIN} to ${USER_NAME_CHARS_MAX}`
  if (!/^[\p{L}\p{N}][\p{L}\p{M}\p{N} _.'’-]*$/u.test(name))
    return 'letters, digits, spaces and _ . - only, beginning with a letter or digit'
  if (/\p{M}{3}/u.test(name)) return 'too many accents on one letter'
  const letters = name.replaceAll(/[^\p{L}]/gu, '')
  if (!WRITING.some(script => script.test(letters))) return 'it mixes letters of several alphabets'
  const key = nameKey(name)
  if (RESERVED.includes(key) || key.startsWith(nameKey('deleted'))) return 'it would speak for the server'
  return undefined
}
