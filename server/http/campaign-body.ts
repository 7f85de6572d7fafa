import type { Request } from 'express'
import type { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { fromUtf8 } from '#protocol/canonical.ts'
import { readYaml, YamlFault, type YamlText } from '#protocol/yaml.ts'
import { bodyOf, parseJson } from './body.ts'
import { describeIssues, parse, Refused } from './problem.ts'

/** A campaign file as it came, and on which line a field of it stands; undefined where the body is JSON. */
export interface CampaignBody {
  readonly file: CampaignFile
  lineOf(field: string): number | undefined
}

/**
 * The campaign file of a request, as JSON, or as YAML by its content type. Throws `Refused` (campaign_invalid), of YAML with the line.
 */
export function campaignBody(req: Request): CampaignBody {
  if (!/\byaml\b/.test(req.get('content-type') ?? '')) {
    const file = parse(CampaignFile, parseJson(bodyOf(req)), 'campaign_invalid')
    return { file, lineOf: () => undefined }
  }
  const { value, placeOf } = yamlOf(req)
  const lineOf = (path: readonly PropertyKey[]): number => placeOf(path).line
  const parsed = CampaignFile.safeParse(value)
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

function yamlOf(req: Request): YamlText {
  const text = textOf(req)
  try {
    return readYaml(text)
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error
    const { place, message } = error
    throw invalid(place === undefined ? `body: ${message}` : message, place?.line ?? 1)
  }
}

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
