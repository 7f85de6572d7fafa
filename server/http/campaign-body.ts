import type { Request } from 'express'
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
import type { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { fromUtf8 } from '#protocol/canonical.ts'
import { bodyOf, parseJson } from './body.ts'
import { describeIssues, parse, Refused } from './problem.ts'

/** A campaign file as it came, and on which line a field of it stands; undefined where the body is JSON. */
export interface CampaignBody {
  readonly file: CampaignFile
  lineOf(field: string): number | undefined
}

/**
 * The campaign file of a request, as JSON, or as YAML by its content type. YAML is one document without aliases, anchors and tags: a
 * hundred bytes must not mean a gigabyte. Throws `Refused` (campaign_invalid), of YAML with the line.
 */
export function campaignBody(req: Request): CampaignBody {
  if (!/\byaml\b/.test(req.get('content-type') ?? '')) {
    const file = parse(CampaignFile, parseJson(bodyOf(req)), 'campaign_invalid')
    return { file, lineOf: () => undefined }
  }
  const { document, lineAt } = readYaml(textOf(req))
  const lineOf = (path: readonly PropertyKey[]): number => lineAt(nodeAt(document, path)?.range?.[0] ?? 0)
  const parsed = CampaignFile.safeParse(document.toJS({ maxAliasCount: 0 }))
  if (!parsed.success) throw invalid(describeIssues(parsed.error), lineOf(deepest(parsed.error)))
  return { file: parsed.data, lineOf: field => lineOf(field.split('.')) }
}

/** Runs a check of a campaign; what it refuses names the line of the field that its detail begins with. */
export async function onItsLine<T>({ lineOf }: CampaignBody, check: () => Promise<T>): Promise<T> {
  try {
    return await check()
  } catch (error) {
    const detail = error instanceof Refused ? error.problem.detail : undefined
    const [, field] = /^([a-z_]\w*(?:\.\w+)*): /.exec(detail ?? '') ?? []
    const line = field === undefined ? undefined : lineOf(field)
    if (error instanceof Refused && line !== undefined) Object.assign(error.problem, { line })
    throw error
  }
}

const invalid = (detail: string, line: number): Refused => new Refused('campaign_invalid', detail, { line })

function textOf(req: Request): string {
  try {
    return fromUtf8(bodyOf(req))
  } catch {
    throw new Refused('campaign_invalid', 'body: not UTF-8')
  }
}

/** Of the forms that a value may have, the place that was reached furthest. */
const deepest = (error: z.ZodError): readonly PropertyKey[] => {
  const [issue] = error.issues
  if (issue === undefined) return []
  return issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path
}

function readYaml(text: string) {
  const lines = new LineCounter()
  const options = { version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: false } as const
  const all = parseAllDocuments(text, { ...options, lineCounter: lines })
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line)
  const documents = Array.isArray(all) ? all : []
  const [document] = documents
  if (document === undefined || documents.length !== 1) throw invalid('body: expected one document', 1)
  const [fault] = [...document.errors, ...document.warnings]
  if (fault !== undefined) throw invalid(fault.message, lineAt(fault.pos[0]))
  const refuse = (node: Node, what: string): never => {
    throw invalid(what, lineAt(node.range?.[0] ?? 0))
  }
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === '__proto__') refuse(key, 'no field may be called __proto__')
    },
    Alias: (_, node) => refuse(node, 'aliases are not allowed'),
    Node: (_, node) => {
      if (node.anchor !== undefined) refuse(node, 'anchors are not allowed')
      if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:'))
        refuse(node, `the tag ${node.tag} is not allowed`)
    },
  })
  return { document, lineAt }
}

/** The node of a path, or the last one on the way to it: for a field of a map its key. */
function nodeAt({ contents }: Document.Parsed, path: readonly PropertyKey[]): Node | null {
  let found: Node | null = contents
  let node: unknown = contents
  for (const step of path) {
    if (!isMap(node)) return found
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
    if (pair === undefined) return found
    if (isNode(pair.key)) found = pair.key
    node = pair.value
  }
  return found
}
