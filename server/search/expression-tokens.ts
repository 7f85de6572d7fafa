export interface Token {
  readonly type: 'number' | 'text' | 'name' | 'symbol' | 'end' | 'wrong'
  readonly text: string
  readonly position: number
}

const TOKEN =
  /\s*(?:(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<text>'[^']*'|"[^"]*")|(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<symbol>==|!=|<=|>=|[<>+\-*/%^(),])|(?<wrong>\S))/gy

const WORDS: ReadonlySet<string> = new Set(['and', 'or', 'not', 'true', 'false'])

/** The tokens of a condition, an `end` last; a character that starts none is `wrong`, for the parser to name. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(TOKEN)) {
    const [type, found] = Object.entries(match.groups ?? {}).find(([, group]) => group !== undefined) ?? []
    if (found === undefined) continue
    const position = match.index + match[0].length - found.length
    tokens.push({ type: typeOf(type, found), text: found, position })
  }
  return [...tokens, { type: 'end', text: '', position: text.length }]
}

function typeOf(group: string | undefined, text: string): Token['type'] {
  if (group === 'number' || group === 'text' || group === 'symbol') return group
  if (group === 'name') return WORDS.has(text) ? 'symbol' : 'name'
  return 'wrong'
}
