import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { CampaignFile, CampaignView, ResultView, ServerView } from '#protocol/campaign.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import { RunReport } from '#protocol/report.ts'
import { type Grid, startGrid } from '../../grid.ts'
import { xeenet } from '../../process.ts'
import { type Row, rowOf, writeTable } from './table.ts'

const POLL_MS = 2_000
const STARTER_MILLI = 1_000_000_000
const Submitted = z.looseObject({ id: z.string() })

interface Making {
  /** Where server and volunteers keep their state: what was begun there goes on. */
  readonly dir: string
  readonly campaign: string
  /** Where the table is written. */
  readonly into: string
}

/** Computes the table by a campaign on a server and a volunteer of this machine, and writes it once the campaign has ended. */
export async function makeTable({ dir, campaign, into }: Making): Promise<void> {
  await mkdir(dir, { recursive: true })
  const text = await readFile(campaign, 'utf8')
  const file = CampaignFile.parse(parse(text))
  const env = { XEENET_DATASETS: file.data, XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    await addPeople(grid, dir)
    const id = await submit(grid, campaign)
    await grid.volunteer('otter')
    await untilOver(grid, id)
    const { kernels, datasets } = await grid.get('/api/v1/server', ServerView)
    const kernel = kernels.find(({ name, version }) => `${name}@${version}` === file.kernel)
    const data = datasets.find(({ name, version }) => `${name}@${version}` === file.data)
    if (kernel === undefined || data === undefined) throw new Error('what the campaign used is gone')
    const source = {
      ...{ kernel: { name: file.kernel, moduleSha256: kernel.moduleSha256 }, campaign: text },
      data: { name: file.data, sha256: data.sha256 },
    }
    await writeTable(into, source, await rowsOf(grid, id, Object.keys(file.space)))
  } catch (error) {
    console.error(grid.server.lastWords())
    throw error
  } finally {
    await grid.stop()
  }
}

async function addPeople(grid: Grid, dir: string): Promise<void> {
  const done = join(dir, 'people.done')
  if ((await readFile(done, 'utf8').catch(() => '')) !== '') return
  await grid.addUser('ada', 'researcher', STARTER_MILLI)
  await grid.addUser('otter', 'volunteer')
  await writeFile(done, 'ada, otter\n')
}

/** The same key again answers with the campaign that is there. */
async function submit(grid: Grid, campaign: string): Promise<string> {
  const token = await grid.tokenFile('ada', 'campaign')
  const args = ['--server', grid.url, '--token-file', token, '--idempotency-key', 'xeebench']
  return (await xeenet(['campaign', 'submit', campaign, ...args], Submitted)).id
}

async function untilOver(grid: Grid, id: string): Promise<void> {
  for (let before = ''; ; await sleep(POLL_MS)) {
    const { state, workUnits } = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
    const line = `${state}: ${workUnits.valid} runs valid, ${workUnits.open} open, ${workUnits.provisional} provisional`
    if (line !== before) console.error(`${new Date().toISOString()} ${line}`)
    before = line
    if (state === 'finished') return
    if (state === 'cancelled') throw new Error(`campaign ${id} was cancelled`)
  }
}

async function rowsOf(grid: Grid, id: string, names: readonly string[]): Promise<Row[]> {
  const response = await fetch(new URL(`/api/v1/campaigns/${id}/export?format=ndjson`, grid.url))
  if (!response.ok) throw new Error(`the export: ${response.status}`)
  const lines = (await response.text()).split('\n').filter(line => line !== '')
  const rows: Row[] = []
  for (const line of lines) {
    const { resultId, recipe, seed, limit, digest } = CorpusRow.parse(JSON.parse(line))
    const { report } = await grid.get(`/api/v1/results/${resultId}`, ResultView)
    rows.push(rowOf({ recipe, seed, limit, digest, report: RunReport.parse(report) }, names))
  }
  return rows
}
