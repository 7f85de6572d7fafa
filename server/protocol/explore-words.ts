// The words of a question to the corpus, without schemas: pages parse them as well.

/** What a condition or a group is about: a parameter of the recipe, or one of these. */
export const OWN_FIELDS = ['metric', 'seed', 'fuel', 'replicas', 'status', 'campaign', 'data'] as const

export interface Condition {
  readonly name: string
  readonly op: '=' | '!=' | '<' | '<=' | '>' | '>='
  readonly value: string
}

/** A group's field, as it is or in bins: `log8`, eight of equal width in its logarithm; `lin8`, in itself. */
export interface GroupBy {
  readonly name: string
  readonly scale: 'log' | 'lin' | null
  readonly bins: number
}

const TERM = /^([a-z_]\w{0,39})(<=|>=|!=|=|<|>)([^\s<>=!][^\s]{0,99})$/i
const GROUP = /^([a-z_]\w{0,39})(?::(log|lin)([1-9]\d?))?$/i
const CONDITIONS_MAX = 16
const GROUPS_MAX = 2
const BINS_MAX = 64

/** The conditions of a text such as `lr>0.001 width=64`, all of which must hold; or the word that is none. */
export function conditionsOf(text: string): readonly Condition[] | { readonly fault: string } {
  const words = text.split(/[\s,]+/).filter(word => word !== '')
  if (words.length > CONDITIONS_MAX) return { fault: `more than ${CONDITIONS_MAX} conditions` }
  const conditions: Condition[] = []
  for (const word of words) {
    const [, name, op, value] = TERM.exec(word) ?? []
    const known = (['=', '!=', '<', '<=', '>', '>='] as const).find(o => o === op)
    if (name === undefined || known === undefined || value === undefined)
      return { fault: `${word} is no condition such as lr>0.001 or act=gelu` }
    conditions.push({ name, op: known, value })
  }
  return conditions
}

/** The fields of a text such as `lr:log8,depth`; or what is wrong with it. */
export function groupsOf(text: string): readonly GroupBy[] | { readonly fault: string } {
  const words = text.split(/[\s,]+/).filter(word => word !== '')
  if (words.length > GROUPS_MAX) return { fault: `more than ${GROUPS_MAX} fields` }
  const groups: GroupBy[] = []
  for (const word of words) {
    const [, name, scale, bins] = GROUP.exec(word) ?? []
    if (name === undefined) return { fault: `${word} is no field such as depth or lr:log8` }
    const known = scale === 'log' || scale === 'lin' ? scale : null
    if (Number(bins ?? 1) > BINS_MAX) return { fault: `${word}: at most ${BINS_MAX} bins` }
    groups.push({ name, scale: known, bins: Number(bins ?? 0) })
  }
  return groups
}
