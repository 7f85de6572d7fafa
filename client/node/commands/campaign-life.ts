import type { Command } from 'commander'
import { stringify } from 'yaml'
import { z } from 'zod'
import { CampaignView } from '#protocol/campaign.ts'
import { RevisionList, RevisionView } from '#protocol/revisions.ts'
import { ask, askBoth } from '#runtime/api.ts'
import { openCampaignFile, placed } from '../campaign-file.ts'
import { contextOf, options } from '../options.ts'
import { campaignLines } from '../tables.ts'
import { campaignPath, verb } from '../verb.ts'
import { rehearse } from './dry-run.ts'

/** What becomes of a campaign after it was submitted. */
export const lifeCommands = (): Command[] => [
  verb('pause', 'hand out nothing more of it; what is in progress counts', act('pause')).argument('<id>'),
  verb('resume', 'let it go on', act('resume')).argument('<id>'),
  verb('stop', 'end it; what was not spent comes back', act('stop'))
    .alias('cancel')
    .argument('<id>')
    .option('--reason <text>', 'kept with the campaign'),
  verb('file', 'its file as YAML: edit it, then revise', printFile)
    .argument('<id>')
    .option('--revision <n>', 'an earlier one', 'latest'),
  verb('fork', 'its file as YAML, for another campaign that names this one', fork).argument('<id>'),
  verb('revise', 'go on with another file: space, constraints, title, a larger budget', revise)
    .argument('<id>')
    .argument('<file>')
    .requiredOption('--reason <text>', 'kept with the revision')
    .option('--expected <n>', 'the revision that was edited; otherwise the newest')
    .option('--dry-run', 'say what it would set aside more, and change nothing'),
  verb('revisions', 'what its file said when', revisions).argument('<id>'),
]

const Reason = z.object({ reason: z.string().optional() })

const act =
  (verb: 'pause' | 'resume' | 'stop') =>
  async (command: Command, id: string): Promise<void> => {
    const { talk, endpoint } = await contextOf(command)
    const body = JSON.stringify(options(Reason, command))
    const asked = { method: 'POST', path: `${campaignPath(id)}/${verb}`, body } as const
    const { reply, text } = await askBoth(endpoint, CampaignView, asked)
    talk.data(talk.json ? text : campaignLines(reply).join('\n'))
  }

const revisionPath = (id: string, revision: string): string =>
  `${campaignPath(id)}/revisions/${encodeURIComponent(revision)}`

async function printFile(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { revision } = options(z.object({ revision: z.string() }), command)
  const asked = { method: 'GET', path: revisionPath(id, revision) } as const
  const { reply, text } = await askBoth(endpoint, RevisionView, asked)
  talk.data(talk.json ? text : stringify(reply.file).trimEnd())
}

async function fork(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { file } = await ask(endpoint, RevisionView, { method: 'GET', path: revisionPath(id, 'latest') })
  const forked = { ...file, derived_from: id }
  talk.data(talk.json ? JSON.stringify(forked) : stringify(forked).trimEnd())
}

const ReviseOptions = z.object({
  reason: z.string(),
  expected: z.coerce.number().int().optional(),
  dryRun: z.boolean().default(false),
})

async function revise(command: Command, id: string): Promise<void> {
  const context = await contextOf(command)
  const { talk, endpoint } = context
  const given = options(ReviseOptions, command)
  const opened = await openCampaignFile(command.args[1] ?? '')
  const expected = given.expected ?? (await newest(command, id))
  const body = JSON.stringify({ expected, reason: given.reason, file: opened.file })
  const asked = { method: 'PUT', path: campaignPath(id), body } as const
  if (given.dryRun) return rehearse(context, asked)
  const { reply, text } = await placed(opened, talk, () => askBoth(endpoint, CampaignView, asked))
  talk.data(talk.json ? text : campaignLines(reply).join('\n'))
  talk.say(`revision ${reply.revision}`)
}

async function newest(command: Command, id: string): Promise<number> {
  const { endpoint } = await contextOf(command)
  return (await ask(endpoint, CampaignView, { method: 'GET', path: campaignPath(id) })).revision
}

async function revisions(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const asked = { method: 'GET', path: `${campaignPath(id)}/revisions` } as const
  const { reply, text } = await askBoth(endpoint, RevisionList, asked)
  if (talk.json) return talk.data(text)
  for (const { revision, at, author, reason } of reply.revisions)
    talk.data(`${String(revision).padStart(3)}  ${at}  ${author.padEnd(8)}  ${reason}`)
}
