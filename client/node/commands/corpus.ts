import { Command } from 'commander'
import { z } from 'zod'
import { CorpusList, type CorpusRun, CorpusView, SimilarView } from '#protocol/corpus.ts'
import { ExploreView } from '#protocol/explore.ts'
import { ExportFormat } from '#protocol/exports.ts'
import { ScienceList } from '#protocol/science.ts'
import { askBoth } from '#runtime/api.ts'
import { contextOf, options } from '../options.ts'
import { recipeText, scienceLines } from '../tables.ts'
import { verb } from '../verb.ts'
import { fetchExport } from './export.ts'

/** `xeenet corpus …`: what is public of everybody's runs. */
export function corpusCommand(): Command {
  const corpus = new Command('corpus').description('what everybody has tried, and what came of it')
  const subcommands = [
    verb('list', 'published runs, newest first, failures included', list)
      .option('--kernel <name@version>', 'of this kernel')
      .option('--data <name@version>', 'on this data set')
      .option('--campaign <id>', 'of this campaign')
      .option('--status <status>', 'ok, diverged, trapped or infeasible')
      .option('--rung <n>', '3: whole runs; 0, 1, 2: runs that ended early')
      .option('--since <instant>', 'published since then, ISO 8601')
      .option('--metric-min <x>', 'with --kernel')
      .option('--metric-max <x>', 'with --kernel')
      .option('--limit <n>', 'how many', '20')
      .option('--after <id>', 'go on after this run'),
    verb('explore', 'runs of a kernel that fit conditions, as rows or in groups', explore)
      .requiredOption('--kernel <name@version>', 'the kernel')
      .option('--data <name@version>', 'on this data set')
      .option('--campaign <id>', 'of this campaign')
      .option('--status <status>', 'ok, diverged, trapped or infeasible')
      .option('--rung <n>', '3: whole runs')
      .option('--where <conditions>', 'such as "lr>0.001 width=64"')
      .option('--group <fields>', 'one or two, such as lr:log8,depth')
      .option('--limit <n>', 'how many runs', '50')
      .option('--after <id>', 'go on after this run'),
    verb('similar', 'what was tried that is most like a recipe, and how new that is', similar)
      .argument('[parameters...]', 'lr=0.01 width=64 …; what is left out has the kernel’s default')
      .requiredOption('--kernel <name@version>', 'the kernel')
      .option('--data <name@version>', 'on this data set')
      .option('--limit <n>', 'how many', '10'),
    verb('best', 'the best configurations of a kernel over all campaigns, with baselines', best)
      .option('--kernel <name@version>', 'of this kernel')
      .option('--data <name@version>', 'on this data set')
      .option('--board <id>', 'this one only, as the list names it')
      .option('--rows <n>', 'how many of each', '10')
      .option('--limit <n>', 'how many boards', '10')
      .option('--after <board>', 'go on after this board'),
    verb('show', 'one run, and what was withdrawn of it', show).argument('<id>', 'of its work unit'),
    verb('export', 'files of everything that was published in a month', exportMonth)
      .argument('<month>', 'such as 2026-11')
      .option('--format <format>', ExportFormat.options.join(', '), 'parquet')
      .requiredOption('--out <dir>', 'where to'),
  ]
  for (const subcommand of subcommands) corpus.addCommand(subcommand)
  return corpus
}

const text = z.string().optional()
const ListOptions = z.object({
  ...{ kernel: text, data: text, campaign: text, status: text, rung: text, since: text },
  ...{ metricMin: text, metricMax: text, limit: z.string(), after: text },
})

async function list(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { metricMin, metricMax, ...rest } = options(ListOptions, command)
  const path = `/api/v1/corpus?${query({ ...rest, metric_min: metricMin, metric_max: metricMax })}`
  const { reply, text } = await askBoth(endpoint, CorpusList, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  for (const run of reply.runs) talk.data(runLine(run))
  if (reply.nextAfter !== null) talk.say(`more: --after ${reply.nextAfter}`)
}

const query = (given: Readonly<Record<string, string | undefined>>): URLSearchParams =>
  new URLSearchParams(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )

/** One line a run, with what a reader must know of it: that it ended early, stands alone, or was known before. */
function runLine({ workUnitId, kernel, data, metricName, metricValue, status, ...run }: CorpusRun): string {
  const marks = [
    ...(run.rung === 3 ? [] : [`rung ${run.rung} of 3`]),
    ...(run.provisional ? ['provisional'] : []),
    ...(run.answeredFrom === null ? [] : [`from ${run.answeredFrom}`]),
  ]
  const value = metricValue === null ? status : `${metricName} ${metricValue}`
  const said = marks.length === 0 ? '' : `  [${marks.join(', ')}]`
  return `${workUnitId}  ${kernel} ${data}  ${value}${said}  ${recipeText(run.recipe)} seed=${run.seed}`
}

const ExploreOptions = z.object({
  ...{ kernel: z.string(), data: text, campaign: text, status: text, rung: text, where: text, group: text },
  ...{ limit: z.string(), after: text },
})

async function explore(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const path = `/api/v1/corpus/explore?${query(options(ExploreOptions, command))}`
  const { reply, text } = await askBoth(endpoint, ExploreView, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  for (const { key, n, ok, median, mean, min, max } of reply.groups ?? []) {
    const sums = Object.entries({ median, mean, min, max }).map(
      ([name, value]) => `${name} ${value === null ? '-' : value.toFixed(4)}`,
    )
    talk.data(`${key.map(String).join('  ')}  n ${n} (${ok} ok)  ${sums.join('  ')}`)
  }
  for (const { workUnitId, metric, status, recipe, seed } of reply.runs ?? [])
    talk.data(
      `${workUnitId}  ${metric === null ? status : metric.toFixed(4)}  ${recipeText(recipe)} seed=${seed}`,
    )
  talk.say(`${reply.matched} runs fit${reply.truncated ? ', or more' : ''}`)
  if (reply.nextAfter !== null) talk.say(`more: --after ${reply.nextAfter}`)
}

const SimilarOptions = z.object({ kernel: z.string(), data: text, limit: z.string() })

async function similar(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const given = options(SimilarOptions, command)
  const recipe = JSON.stringify(Object.fromEntries(command.args.map(parameterOf)))
  const path = `/api/v1/corpus/similar?${query({ ...given, recipe })}`
  const { reply, text } = await askBoth(endpoint, SimilarView, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  talk.data(`novelty ${reply.novelty.toFixed(4)} among ${reply.lookedAt} recipes (0: tried before)`)
  for (const { distance, recipe, differs, runs } of reply.neighbours) {
    const changed = Object.fromEntries(differs.map(name => [name, recipe[name] ?? '']))
    talk.data(`${distance.toFixed(4)}  ${differs.length === 0 ? 'the same recipe' : recipeText(changed)}`)
    for (const { data, limit, n, ok, metricName, mean, workUnitId } of runs)
      talk.data(
        `        ${data} ${JSON.stringify(limit)}: ${mean === null ? 'no metric' : `${metricName} ${mean.toFixed(4)}`} (${ok} of ${n} ok)  ${workUnitId}`,
      )
  }
}

/** `lr=0.01` as a number, `act=gelu` as a text. */
function parameterOf(given: string): [string, string | number] {
  const at = given.indexOf('=')
  const [name, value] = at < 0 ? [given, ''] : [given.slice(0, at), given.slice(at + 1)]
  return [name, value !== '' && Number.isFinite(Number(value)) ? Number(value) : value]
}

const BestOptions = z.object({
  ...{ kernel: text, data: text, board: text, rows: z.string(), limit: z.string(), after: text },
})

async function best(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const path = `/api/v1/science?${query(options(BestOptions, command))}`
  const { reply, text } = await askBoth(endpoint, ScienceList, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  for (const board of reply.boards) talk.data(scienceLines(board).join('\n'))
  if (reply.nextAfter !== null) talk.say(`more: --after ${reply.nextAfter}`)
}

async function show(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const path = `/api/v1/corpus/${encodeURIComponent(id)}`
  const { reply, text } = await askBoth(endpoint, CorpusView, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  const { run, retracted } = reply
  for (const { revision, digest, retractedAt } of retracted)
    talk.data(`withdrawn at ${retractedAt}: revision ${revision}, digest ${digest}`)
  if (run === null) return
  talk.data(runLine(run))
  talk.data(`digest ${run.digest}, ${run.replicas} equal results, published ${run.publishedAt}`)
  if (run.answeredFrom !== null)
    talk.data(`computed as ${run.answeredFrom}; this campaign was answered at no cost`)
  talk.data(`campaign ${run.campaignId}; run it again: xeenet repro ${run.resultId}`)
}

async function exportMonth(command: Command, period: string): Promise<void> {
  const { format, out } = options(z.object({ format: ExportFormat, out: z.string().min(1) }), command)
  const asked = { path: '/api/v1/corpus/exports', body: JSON.stringify({ period }) }
  await fetchExport(await contextOf(command), { format, out, asked })
}
