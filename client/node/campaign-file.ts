import { stat } from 'node:fs/promises'
import { isScalar, LineCounter, parseAllDocuments, visit } from 'yaml'
import { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { CAMPAIGN_BYTES_MAX } from '#protocol/limits.ts'
import { usage } from './failure.ts'
import { readIfThere } from './files.ts'

/**
 * Reads a campaign file, YAML or JSON (which is YAML). One document, no aliases and no tags: a file of a hundred bytes
 * must not mean a gigabyte. Throws a usage failure that names the line or the field.
 */
export async function readCampaignFile(path: string): Promise<CampaignFile> {
  const size = (await stat(path).catch(() => undefined))?.size
  if (size === undefined) throw usage(`${path}: no such file`)
  if (size > CAMPAIGN_BYTES_MAX)
    throw usage(`${path}: ${size} bytes; a campaign file has at most ${CAMPAIGN_BYTES_MAX}`)
  return parseCampaign((await readIfThere(path))?.toString() ?? '', path)
}

/** The same of a text; `name` is what messages call it. */
export function parseCampaign(text: string, name: string): CampaignFile {
  const parsed = CampaignFile.safeParse(parseYaml(text, name))
  if (parsed.success) return parsed.data
  throw usage(`${name}: ${z.prettifyError(parsed.error)}`, 'ops/demo/campaign.yaml is an example.')
}

function parseYaml(text: string, name: string): unknown {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    uniqueKeys: true,
    lineCounter: lines,
  })
  const [document] = Array.isArray(documents) ? documents : []
  if (document === undefined || (Array.isArray(documents) && documents.length !== 1))
    throw usage(`${name}: expected one document`)
  const [error] = [...document.errors, ...document.warnings]
  if (error !== undefined) throw usage(`${name}: ${error.message}`)
  visit(document, {
    Pair: (_, { key }) => {
      // Schemas leave this name out without a word.
      if (isScalar(key) && key.value === '__proto__') throw usage(`${name}: no field may be called __proto__`)
    },
    Alias: () => {
      throw usage(`${name}: aliases are not allowed`)
    },
    Node: (_, node) => {
      if (node.anchor !== undefined) throw usage(`${name}: anchors are not allowed`)
      if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:'))
        throw usage(`${name}: the tag ${node.tag} is not allowed`)
    },
  })
  return document.toJS({ maxAliasCount: 0 })
}
