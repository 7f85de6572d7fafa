import { Command } from 'commander'
import { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { campaignSchema } from '#protocol/campaign-schema.ts'
import { DatasetManifest } from '#protocol/dataset.ts'
import { KernelSource } from '#protocol/kernel.ts'
import { ProposalView } from '#protocol/proposals.ts'
import { RunReport } from '#protocol/report.ts'
import { usage } from '../failure.ts'
import { openTalk } from '../talk.ts'

const THINGS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['campaign', CampaignFile],
  ['kernel', KernelSource],
  ['dataset', DatasetManifest],
  ['report', RunReport],
  ['proposal', ProposalView],
])
const NAMES = [...THINGS.keys()].join(', ')

/** `xeenet schema THING`: the JSON Schema by which a file is read, for editors and programs. */
export const schemaCommand = (): Command =>
  new Command('schema')
    .description('print the JSON Schema of a campaign file, a kernel manifest and other files')
    .argument('<thing>', NAMES)
    .option('--json', 'the same: it is JSON anyway')
    .action((thing: string) => openTalk(false).data(JSON.stringify(schemaOf(thing), null, 2)))

/**
 * The JSON Schema (2020-12) of a file as it is written: what has a default may be left out. Formulas of a manifest are not spelled
 * out, since they nest; the reader checks them. @throws Failure (usage) for another thing
 */
export function schemaOf(thing: string): object {
  const schema = THINGS.get(thing)
  if (schema === undefined) throw usage(`${thing}: there are schemas of ${NAMES}`)
  if (thing === 'campaign') return campaignSchema()
  return {
    ...z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' }),
    title: `XeeNet ${thing}`,
  }
}
