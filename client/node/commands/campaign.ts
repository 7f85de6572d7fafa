import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { z } from 'zod'
import { CampaignList, CampaignView, ValidateReply } from '#protocol/campaign.ts'
import { ProposeReply } from '#protocol/experiments.ts'
import { ask, askBoth } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { openCampaignFile, placed } from '../campaign-file.ts'
import { coresOf } from '../cores.ts'
import { usage } from '../failure.ts'
import { runLocally } from '../local-run.ts'
import { contextOf, DEFAULT_CACHE_DIR, options } from '../options.ts'
import { campaignLines, quoteLines, recipeText } from '../tables.ts'
import { campaignPath, verb } from '../verb.ts'
import { watchCampaign } from '../watch.ts'
import { initCommand } from './campaign-init.ts'
import { lifeCommands } from './campaign-life.ts'
import { readCommands } from './campaign-reads.ts'
import { rehearse } from './dry-run.ts'
import { exportCommand } from './export.ts'
import { showSearch } from './search.ts'
import { studyCommands } from './study.ts'
import { waitFor } from './wait.ts'

/** `xeenet campaign …`: what a researcher does. */
export function campaignCommand(done: (exit: number) => void): Command {
  const campaign = new Command('campaign').description('ask a question and read the answer')
  const subcommands = [
    initCommand(),
    verb('validate', 'check a campaign file and price it; nothing is charged', validate).argument('<file>'),
    verb('run-local', 'compute its first runs on this machine', runLocal)
      .argument('<file>')
      .option('--count <n>', 'how many', '1')
      .option('--cores <n>', 'how many at once', 'MAX')
      .option('--cache-dir <dir>', 'kernels and data, by hash', DEFAULT_CACHE_DIR),
    verb('submit', 'reserve the credit and start it', submit)
      .argument('<file>')
      .option('--idempotency-key <key>', 'repeating a submission with the same key repeats its answer')
      .option('--dry-run', 'say what it would set aside, and change nothing'),
    verb('watch', 'follow it to its end', async (command, id) => done(await watch(command, id))).argument(
      '<id>',
    ),
    verb('show', 'where it stands', show).argument('<id>'),
    exportCommand(),
    verb('propose', 'have recipes of yours tried beside those of its sampler', propose)
      .argument('<id>')
      .argument('<file>', 'JSON: a list of recipes, each with what differs from the campaign’s')
      .option('--dry-run', 'say what would happen, and change nothing'),
    verb('search', 'what its sampler knows: the best, what was tried and what mattered', showSearch)
      .argument('<id>')
      .option('--limit <n>', 'rows of each list'),
    verb('wait', 'return as soon as something happens in it', waitFor)
      .argument('<id>')
      .option('--after <cursor>', 'that of the last event that was seen; otherwise from now on')
      .option('--timeout <seconds>', 'at most so long', '60'),
    verb('list', 'the newest campaigns', list),
  ]
  for (const subcommand of [...subcommands, ...readCommands(), ...lifeCommands(), ...studyCommands()])
    campaign.addCommand(subcommand)
  return campaign
}

const VALIDATE = '/api/v1/campaigns/validate'

async function validate(command: Command, file: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const opened = await openCampaignFile(file)
  const asked = { method: 'POST', path: VALIDATE, body: JSON.stringify(opened.file) } as const
  const { reply, text } = await placed(opened, talk, () => askBoth(endpoint, ValidateReply, asked))
  talk.data(talk.json ? text : quoteLines(reply).join('\n'))
}

const LocalOptions = z.object({
  count: z.coerce.number().int().min(1).max(1000),
  cores: z.string(),
  cacheDir: z.string(),
})

async function runLocal(command: Command, file: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const given = options(LocalOptions, command)
  const cores = coresOf(given.cores, availableParallelism())
  if (cores === undefined) throw usage(`--cores ${given.cores}: expected a number, 50%, MAX or MAX-1`)
  const opened = await openCampaignFile(file)
  const asked = { method: 'POST', path: VALIDATE, body: JSON.stringify(opened.file) } as const
  const { firstRuns } = await placed(opened, talk, () => ask(endpoint, ValidateReply, asked))
  const plans = firstRuns.slice(0, given.count)
  if (plans.length < given.count) talk.say(`the server plans ${plans.length} runs ahead; computing these`)
  await runLocally(plans, {
    endpoint,
    cacheDir: given.cacheDir,
    cores,
    onFinished: (plan, { report, digest, cpuMs }) => {
      const { runKey, recipe, seed } = plan
      const { status, metric } = report
      const value = metric === null ? status : `${metric.name} ${metric.value}`
      if (talk.json) talk.event('run.done', { runKey, recipe, seed, status, metric, digest, cpuMs })
      else
        talk.data(
          `${value}  digest ${digest}  ${(cpuMs / 1000).toFixed(1)} s  ${recipeText(recipe)} seed=${seed}`,
        )
    },
  })
}

const SubmitOptions = z.object({
  idempotencyKey: z.string().min(1).max(200).optional(),
  dryRun: z.boolean().default(false),
})

async function submit(command: Command, file: string): Promise<void> {
  const context = await contextOf(command)
  const { talk, endpoint } = context
  const { idempotencyKey, dryRun } = options(SubmitOptions, command)
  // A key of our own: a reply lost on the way must not mean a second campaign.
  const headers = { 'idempotency-key': idempotencyKey ?? randomUUID() }
  const opened = await openCampaignFile(file)
  const asked = {
    method: 'POST',
    path: '/api/v1/campaigns',
    body: JSON.stringify(opened.file),
    headers,
  } as const
  if (dryRun) return rehearse(context, asked)
  const { reply, text } = await placed(opened, talk, () => askBoth(endpoint, CampaignView, asked))
  if (talk.json) return talk.data(text)
  talk.data(reply.id)
  talk.say(
    `${reply.title}: ${reply.experiments.planned} experiments. Follow it: xeenet campaign watch ${reply.id}`,
  )
}

async function watch(command: Command, id: string): Promise<number> {
  const { talk, endpoint } = await contextOf(command)
  const view = await watchCampaign({ talk, endpoint, id })
  return view.state === 'cancelled' ? EXIT.failure : EXIT.ok
}

async function propose(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { dryRun } = options(z.object({ dryRun: z.boolean().default(false) }), command)
  const recipes = await readRecipes(command.args[1] ?? '')
  const asked = {
    ...({ method: 'POST', path: `${campaignPath(id)}/experiments` } as const),
    body: JSON.stringify({ recipes, dryRun }),
  }
  const { reply, text } = await askBoth(endpoint, ProposeReply, asked)
  if (talk.json) return talk.data(text)
  for (const { outcome, experimentId, recipe, detail } of reply.experiments)
    talk.data([outcome, experimentId ?? '—', detail ?? recipeText(recipe)].join('  '))
  talk.say(`${reply.remaining} experiments are left${reply.dryRun ? '; nothing was changed' : ''}`)
}

async function readRecipes(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw usage(`${path}: ${error instanceof Error ? error.message : error}`)
  }
}

async function show(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { reply, text } = await askBoth(endpoint, CampaignView, { method: 'GET', path: campaignPath(id) })
  talk.data(talk.json ? text : campaignLines(reply).join('\n'))
}

async function list(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { reply, text } = await askBoth(endpoint, CampaignList, { method: 'GET', path: '/api/v1/campaigns' })
  if (talk.json) return talk.data(text)
  for (const { id, state, title, experiments } of reply.campaigns)
    talk.data(`${id}  ${state.padEnd(9)}  ${experiments.created}/${experiments.planned}  ${title}`)
}
