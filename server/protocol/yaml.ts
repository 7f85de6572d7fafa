// One document without aliases, anchors and tags: a hundred bytes must not mean a gigabyte.

import {
  type Document,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml'

/** Counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface YamlText {
  readonly value: unknown
  /** Where a field stands, or the nearest one that contains it. */
  placeOf(path: readonly PropertyKey[]): Place
}

/** Why a text is refused; without a place: as a whole. */
export class YamlFault extends Error {
  readonly place: Place | undefined
  constructor(message: string, place?: Place) {
    super(message)
    this.place = place
  }
}

/** Reads YAML 1.2, which JSON is as well. Throws `YamlFault`. */
export function readYaml(text: string): YamlText {
  const lineCounter = new LineCounter()
  const all = parseAllDocuments(text, {
    ...{ version: '1.2', schema: 'core', uniqueKeys: true, lineCounter, prettyErrors: false },
  })
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const documents = Array.isArray(all) ? all : []
  const [document] = documents
  if (document === undefined || documents.length !== 1) throw new YamlFault('expected one document')
  const [fault] = [...document.errors, ...document.warnings]
  if (fault !== undefined) throw new YamlFault(fault.message, placeAt(fault.pos[0]))
  const start = (node: Node | null): Place => placeAt(node?.range?.[0] ?? 0)
  refuseTricks(document, (node, what) => {
    throw new YamlFault(what, start(node))
  })
  return { value: document.toJS({ maxAliasCount: 0 }), placeOf: path => start(nodeAt(document, path)) }
}

function refuseTricks(document: Document.Parsed, refuse: (node: Node, what: string) => never): void {
  visit(document, {
    Pair: (_, { key }) => {
      // Schemas leave this name out without a word.
      if (isScalar(key) && key.value === '__proto__') refuse(key, 'no field may be called __proto__')
    },
    Alias: (_, node) => refuse(node, 'aliases are not allowed'),
    Node: (_, node) => {
      if (node.anchor !== undefined) refuse(node, 'anchors are not allowed')
      if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:'))
        refuse(node, `the tag ${node.tag} is not allowed`)
    },
  })
}

/** The node of a path, or the last one on the way to it: for a field of a map its key. */
function nodeAt({ contents }: Document.Parsed, path: readonly PropertyKey[]): Node | null {
  let found: Node | null = contents
  let node: unknown = contents
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
      if (pair === undefined) return found
      if (isNode(pair.key)) found = pair.key
      node = pair.value
    } else {
      node =
        isNode(node) && 'items' in node && Array.isArray(node.items) ? node.items[Number(step)] : undefined
      if (isNode(node)) found = node
    }
  }
  return found
}
