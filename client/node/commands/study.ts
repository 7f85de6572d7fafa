import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { z } from 'zod'
import { ResultView } from '#protocol/campaign.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import type { Limit } from '#protocol/job.ts'
import { AgreementView, Original } from '#protocol/study.ts'
import { ask, askBoth } from '#runtime/api.ts'
import { usage } from '../failure.ts'
import { contextOf, options } from '../options.ts'
import { recipeText } from '../tables.ts'
import { campaignPath, verb } from '../verb.ts'

/** Campaigns of type `replicate`: to have published results computed again by others. */
export const studyCommands = (): Command[] => [
  verb('replicate', 'a campaign file that has results computed again by others; submit it', replicate)
    .argument('[results...]', 'ids of published results; or --export')
    .option('--export <file>', 'NDJSON lines of an export, of this server or another')
    .option('--runs <n>', 'of each, by hosts of different owners who did not compute it before', '2')
    .option('--classes <names...>', 'engine classes', ['wasm'])
    .option('--goal <goal>', 'of the metric', 'minimize')
    .option('--credits <n>', 'the most it may cost', '100'),
  verb('agreement', 'of a study: which results came out again', agreement).argument('<id>'),
]

const Options = z.object({
  export: z.string().optional(),
  runs: z.coerce.number().int(),
  classes: z.array(z.string()),
  goal: z.enum(['minimize', 'maximize']),
  credits: z.coerce.number().positive(),
})

/** What a study is made of: what all its originals have in common, and the originals. */
interface Found {
  readonly kernel: string
  readonly data: string | undefined
  readonly limit: Limit
  readonly metric: string
  readonly originals: readonly (string | Original)[]
}

async function replicate(command: Command): Promise<void> {
  const { talk } = await contextOf(command)
  const given = options(Options, command)
  const found = given.export === undefined ? await ofResults(command) : await ofExport(given.export)
  const { kernel, data, limit, metric, originals } = found
  const per = 'fuel' in limit ? { fuel_per_run: limit.fuel } : { updates_per_run: limit.updates }
  const file = {
    ...{ title: `Do ${originals.length} results of ${kernel} come out again?`, type: 'replicate', kernel },
    ...(data === undefined ? {} : { data }),
    metric: { name: metric, goal: given.goal },
    budget: { ...per, runs: originals.length, credits: given.credits },
    space: {},
    study: { runs: given.runs, classes: given.classes, originals },
  }
  talk.data(talk.json ? JSON.stringify(file) : stringify(file).trimEnd())
}

async function ofResults(command: Command): Promise<Found> {
  const { endpoint } = await contextOf(command)
  const [id] = command.args
  if (id === undefined) throw usage('name results, or --export FILE')
  const path = `/api/v1/corpus/${encodeURIComponent(await unitOf(command, id))}`
  const { run } = await ask(endpoint, z.object({ run: CorpusRow.nullable() }), { method: 'GET', path })
  if (run === null) throw usage(`${id} was withdrawn`)
  return { ...commonOf(run), originals: command.args }
}

async function unitOf(command: Command, id: string): Promise<string> {
  const { endpoint } = await contextOf(command)
  const path = `/api/v1/results/${encodeURIComponent(id)}`
  return (await ask(endpoint, ResultView, { method: 'GET', path })).workUnitId
}

async function ofExport(path: string): Promise<Found> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter(line => line !== '')
  const rows = lines.map((line, i) => {
    const parsed = CorpusRow.safeParse(parseJson(line))
    if (parsed.success) return parsed.data
    throw usage(`${path}: line ${i + 1}: ${z.prettifyError(parsed.error)}`)
  })
  const [first] = rows
  if (first === undefined) throw usage(`${path}: no lines`)
  return { ...commonOf(first), originals: rows.map(claimOf) }
}

const parseJson = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined // refused by the schema, with the line
  }
}

const commonOf = ({ kernel, data, limit, metricName }: CorpusRow): Omit<Found, 'originals'> => ({
  ...{ kernel, limit, metric: metricName ?? 'val_bpb' },
  data: data === 'none@0' ? undefined : data,
})

function claimOf({
  resultId,
  recipe,
  seed,
  limit,
  rung,
  runKey,
  status,
  metricValue,
  digest,
}: CorpusRow): Original {
  return Original.parse({ resultId, recipe, seed, limit, rung, runKey, status, metricValue, digest })
}

async function agreement(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const asked = { method: 'GET', path: `${campaignPath(id)}/agreement` } as const
  const { reply, text } = await askBoth(endpoint, AgreementView, asked)
  if (talk.json) return talk.data(text)
  const { originals, agrees, differs, waiting, failed } = reply.summary
  for (const { claimed, recipe, seed, resultId, classes } of reply.rows)
    for (const { agreement: verdict, engineClass, found, equal, unequal } of classes) {
      const came = found === null ? '—' : `${found.metricValue ?? found.status} ${found.digest.slice(0, 12)}`
      talk.data(
        `${verdict.padEnd(7)}  ${engineClass}  claimed ${claimed.metricValue ?? claimed.status} ${claimed.digest.slice(0, 12)}  found ${came} (${equal} equal, ${unequal} not)  ${recipeText(recipe)} seed=${seed}  ${resultId ?? ''}`,
      )
    }
  talk.data(
    `${originals} originals, ${reply.runs} runs each: ${agrees} agree, ${differs} differ, ${waiting} wait, ${failed} failed`,
  )
}
