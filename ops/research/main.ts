/**
 * `npm run demo:research`: a question from its YAML to its answer, unattended, on this machine: the campaign of
 * ops/examples/lr-by-width.yaml screens, tests what it promotes, and ends by itself; then a second campaign runs the incumbent and
 * the unchanged recipe on twelve seeds each, and the verdicts are held against each other. Exit status 0 only if they agree
 * within ten minutes. `--json FILE` writes the figures.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { z } from 'zod'
import { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { InteractionView } from '#protocol/interaction.ts'
import type { Recipe } from '#protocol/job.ts'
import { NoteList } from '#protocol/notes.ts'
import { CompareView, TestList } from '#protocol/tests.ts'
import { block, type Figure, writeFigures } from '../figures.ts'
import { type Grid, startGrid } from '../grid.ts'
import { xeenet } from '../process.ts'

const FILE = join(import.meta.dirname, '../examples/lr-by-width.yaml')
const WALL_MS_MAX = 10 * 60_000
const POLL_MS = 1_000
const SEEDS = 12
const STARTER_MILLI = 1_000_000

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'string' } } })
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-research-'))
  process.once('SIGINT', () => process.exit(130)) // children end when their parent's channel closes
  const started = performance.now()
  const env = { XEENET_RETRY_MIN_MS: '250', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    const figures = await answer(grid, dir, started)
    console.log(`\n${block(figures)}`)
    await writeFigures(values.json, figures)
    return figures.find(({ name }) => name === 'research.agrees')?.value === 'yes' ? 0 : 1
  } catch (error) {
    console.error(grid.server.lastWords())
    throw error
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

async function answer(grid: Grid, dir: string, started: number): Promise<Figure[]> {
  await grid.addUser('ada', 'researcher', STARTER_MILLI)
  for (const name of ['otter', 'heron']) {
    await grid.addUser(name, 'volunteer')
    await grid.volunteer(name)
  }
  const token = await grid.tokenFile('ada', 'campaign')
  const id = await submit(grid, token, FILE)
  await untilOver(grid, id, started)
  const wallMs = performance.now() - started
  const { notes } = await grid.get(`/api/v1/campaigns/${id}/notes`, NoteList)
  for (const note of notes) console.log(`${note.kind}: ${note.text}\n`)
  await untilShown(grid, id, started)
  const tests = await grid.get(`/api/v1/campaigns/${id}/tests`, TestList)
  const depends = await grid.get(`/api/v1/campaigns/${id}/interaction?best=lr&by=width`, InteractionView)
  console.log(JSON.stringify(depends, null, 2))
  const report = ['campaign', 'report', id, '--server', grid.url, '--out', join(dir, 'report')]
  await xeenet(report, z.looseObject({}))
  console.log(await readFile(join(dir, 'report/report.md'), 'utf8'))
  const reportedMs = performance.now() - started
  const direct = await compareDirectly(grid, { id, dir, token, started })
  const isPromoted = tests.tests.some(({ state }) => state === 'promoted')
  const agrees = isPromoted === (direct.verdict === 'a_better')
  return [
    { name: 'research.wall', value: Math.round(wallMs / 1000), unit: 's', reference: WALL_MS_MAX / 1000 },
    { name: 'research.reported', value: Math.round(reportedMs / 1000), unit: 's' },
    { name: 'research.tests', value: tests.tests.map(({ state }) => state).join(' '), unit: 'verdicts' },
    { name: 'research.gain', value: text(tests.tests[0]?.gain ?? null), unit: 'bpb' },
    { name: 'research.direct', value: `${direct.verdict} ${text(direct.difference)}`, unit: 'bpb' },
    { name: 'research.depends', value: `${depends.verdict} ${text(depends.contrast)}`, unit: 'bpb' },
    { name: 'research.answer', value: answerOf(depends), unit: 'bpb' },
    { name: 'research.agrees', value: agrees ? 'yes' : 'no', unit: 'verdict' },
  ]
}

const answerOf = ({ test }: InteractionView): string =>
  test === null ? 'nobody asked' : `${test.state} ${test.why ?? text(test.cost)}`

const text = (mean: CompareView['difference']): string =>
  mean === null ? 'unknown' : `${mean.mean.toFixed(4)} ± ${mean.ci95?.toFixed(4) ?? '?'} (n = ${mean.n})`

async function submit(grid: Grid, token: string, file: string): Promise<string> {
  const args = ['campaign', 'submit', file, '--server', grid.url, '--token-file', token]
  return (await xeenet(args, z.looseObject({ id: z.string() }))).id
}

async function untilOver(grid: Grid, id: string, started: number): Promise<void> {
  for (let before = ''; performance.now() - started < WALL_MS_MAX; ) {
    const { state, workUnits } = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
    const line = `${state}: ${workUnits.valid} runs valid, ${workUnits.open} open`
    if (line !== before) console.log(`${((performance.now() - started) / 1000).toFixed(0)} s  ${line}`)
    before = line
    if (state !== 'running') return
    await sleep(POLL_MS)
  }
  throw new Error(`campaign ${id} did not end in time`)
}

/** Rows that lead are shown once the verifier has seen every run behind them. */
async function untilShown(grid: Grid, id: string, started: number): Promise<void> {
  while (performance.now() - started < WALL_MS_MAX) {
    const { waiting } = await grid.get(`/api/v1/campaigns/${id}/leaderboard`, Leaderboard)
    if (waiting === 0) return
    await sleep(POLL_MS)
  }
  throw new Error(`campaign ${id} has rows that nobody verified in time`)
}

interface Direct {
  readonly id: string
  readonly dir: string
  readonly token: string
  readonly started: number
}

/** The incumbent (or, where none was promoted, who screened best) against the unchanged recipe, twelve seeds each. */
async function compareDirectly(grid: Grid, { id, dir, token, started }: Direct): Promise<CompareView> {
  const { incumbent, tests } = await grid.get(`/api/v1/campaigns/${id}/tests`, TestList)
  const { rows } = await grid.get(`/api/v1/campaigns/${id}/leaderboard`, Leaderboard)
  const baseline = tests[0]?.incumbent ?? incumbent
  const best =
    incumbent === baseline ? rows.find(row => row.experimentId !== baseline)?.experimentId : incumbent
  const recipeOf = (experimentId: string | null | undefined): Recipe => {
    const row = rows.find(each => each.experimentId === experimentId)
    if (row === undefined) throw new Error(`experiment ${experimentId} is not on the leaderboard`)
    return row.recipe
  }
  const sides = [recipeOf(best), recipeOf(baseline)] as const
  const choice = (name: string) => ({ choice: [...new Set(sides.map(recipe => recipe[name] ?? 0))] })
  const space = { lr: choice('lr'), width: choice('width') }
  const file = z.looseObject({ budget: z.looseObject({}) }).parse(parse(await readFile(FILE, 'utf8')))
  const runs = space.lr.choice.length * space.width.choice.length
  const { stop: _, interaction: __, ...rest } = file
  const path = join(dir, 'direct.json')
  const direct = {
    ...rest,
    baseline: false,
    space,
    budget: { ...file.budget, runs },
    replicate: { quorum: 2, seeds: SEEDS },
  }
  await writeFile(path, JSON.stringify(direct))
  const second = await submit(grid, token, path)
  await untilOver(grid, second, started)
  await untilShown(grid, second, started)
  const board = await grid.get(`/api/v1/campaigns/${second}/leaderboard`, Leaderboard)
  const [a, b] = sides.map(
    side =>
      board.rows.find(({ recipe }) => recipe.lr === side.lr && recipe.width === side.width)?.experimentId,
  )
  return grid.get(`/api/v1/campaigns/${second}/compare?a=${a}&b=${b}`, CompareView)
}

process.exitCode = await main()
