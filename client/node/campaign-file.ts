import { stat } from 'node:fs/promises'
import type { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { CAMPAIGN_BYTES_MAX } from '#protocol/limits.ts'
import { type Place, readYaml, YamlFault, type YamlText } from '#protocol/yaml.ts'
import { Refusal } from '#runtime/api.ts'
import { usage } from './failure.ts'
import { readIfThere } from './files.ts'
import type { Talk } from './talk.ts'

/** A campaign file as it is sent, and where each of its fields stands in the text. */
export interface OpenFile {
  readonly file: CampaignFile
  /** `c.yaml:7:3` of a field, or of the nearest one that contains it. */
  where(path: readonly PropertyKey[]): string
}

/**
 * Reads a campaign file, YAML or JSON (which is YAML). One document, no aliases and no tags: a file of a hundred bytes
 * must not mean a gigabyte. Throws a usage failure that names the line, the column and the field.
 */
export async function openCampaignFile(path: string): Promise<OpenFile> {
  const size = (await stat(path).catch(() => undefined))?.size
  if (size === undefined) throw usage(`${path}: no such file`)
  if (size > CAMPAIGN_BYTES_MAX)
    throw usage(`${path}: ${size} bytes; a campaign file has at most ${CAMPAIGN_BYTES_MAX}`)
  return openCampaign((await readIfThere(path))?.toString() ?? '', path)
}

/** The same of a text; `name` is what messages call it. */
export function openCampaign(text: string, name: string): OpenFile {
  const { value, placeOf } = readNamed(text, name)
  const where = (path: readonly PropertyKey[]): string => textOf(name, placeOf(path))
  const parsed = CampaignFile.safeParse(value)
  if (parsed.success) return { file: parsed.data, where }
  const lines = parsed.error.issues.flatMap(faults).map(({ path, what }) => {
    const field = path.map(String).join('.')
    return `${where(path)}: ${field === '' ? '' : `${field}: `}${what}`
  })
  throw usage(
    lines.join('\n'),
    'xeenet campaign init writes a file to begin with; xeenet schema campaign has every field.',
  )
}

function readNamed(text: string, name: string): YamlText {
  try {
    return readYaml(text)
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error
    const { place, message } = error
    throw usage(`${place === undefined ? name : textOf(name, place)}: ${message}`)
  }
}

const textOf = (name: string, { line, column }: Place): string => `${name}:${line}:${column}`

export const parseCampaign = (text: string, name: string): CampaignFile => openCampaign(text, name).file

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly what: string
}

type Issue = z.core.$ZodIssue

/** Of the forms that a value may have, the one that was meant is the one that got furthest. */
function faults(issue: Issue): Fault[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(key => ({ path: [...issue.path, key], what: 'there is no such field' }))
  if (issue.code !== 'invalid_union') return [{ path: issue.path, what: issue.message }]
  const tried = issue.errors
    .map(errors => errors.flatMap(faults))
    .toSorted((a, b) => depthOf(b) - depthOf(a) || a.length - b.length)[0]
  if (tried === undefined || depthOf(tried) === 0) return [{ path: issue.path, what: issue.message }]
  return tried.map(({ path, what }) => ({ path: [...issue.path, ...path], what }))
}

const depthOf = (all: readonly Fault[]): number =>
  all.reduce((most, { path }) => Math.max(most, path.length), 0)

/** Passes a refusal of the server on, after saying where in the file the field stands that its detail begins with. */
export async function placed<T>({ where }: OpenFile, talk: Talk, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const [, field] =
      (error instanceof Refusal && /^([a-z_]\w*(?:\.\w+)*): /.exec(error.problem.detail ?? '')) || []
    if (field !== undefined) talk.say(`${where(field.split('.'))}: ${field}`)
    throw error
  }
}
