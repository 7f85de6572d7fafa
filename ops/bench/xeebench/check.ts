import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runLocally } from '#client/node/local-run.ts'
import { type RunPlan, ValidateReply } from '#protocol/campaign.ts'
import { Job, jobText, runKeyOf } from '#protocol/job.ts'
import type { Sha256 } from '#protocol/units.ts'
import { streamOf } from '#search/stream.ts'
import { startGrid } from '../../grid.ts'
import { xeenet } from '../../process.ts'
import { CAMPAIGN, type Row, type Table } from './table.ts'

const STARTER_MILLI = 1_000_000_000
const CORES = 2

/** Computes `count` rows again, drawn by `seed`, as a host would from a server's files; how many gave another digest. */
export async function checkRows({ file, facts, rows }: Table, count: number, seed: number): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'xeebench-'))
  const env = { XEENET_DATASETS: file.data, XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  try {
    await grid.addUser('ada', 'researcher', STARTER_MILLI)
    const token = await grid.tokenFile('ada', 'campaign')
    const args = ['--server', grid.url, '--token-file', token]
    const { firstRuns } = await xeenet(['campaign', 'validate', CAMPAIGN, ...args], ValidateReply)
    const [first] = firstRuns
    if (first === undefined) throw new Error('the campaign has no first run')
    if (first.kernel.moduleSha256 !== facts.kernel.moduleSha256)
      throw new Error(
        `the kernel's module is ${first.kernel.moduleSha256}, the table's ${facts.kernel.moduleSha256}`,
      )
    const chosen = drawn(rows, count, seed)
    const digests = new Map<Sha256, Sha256>()
    const plans = await Promise.all(
      chosen.map(async row => {
        const plan = await planOf(first, row)
        digests.set(plan.runKey, row.digest)
        return plan
      }),
    )
    let wrong = 0
    await runLocally(plans, {
      endpoint: { server: grid.url, fetch, token: (await readFile(token, 'utf8')).trim() },
      ...{ cacheDir: join(dir, 'cache'), cores: CORES },
      onFinished: ({ runKey }, { digest }) => {
        if (digests.get(runKey) !== digest) wrong++
      },
    })
    return wrong
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

function drawn(rows: readonly Row[], count: number, seed: number): Row[] {
  const left = [...rows]
  const stream = streamOf(seed, 0)
  return Array.from({ length: Math.min(count, rows.length) }, () =>
    left.splice(stream.below(left.length), 1),
  ).flat()
}

/** The row's run: as the campaign's first one, with other values and another seed. */
async function planOf(first: RunPlan, { values, seed }: Row): Promise<RunPlan> {
  const recipe = { ...first.recipe, ...values }
  const job: Job = { ...Job.parse(JSON.parse(first.job)), recipe, seed }
  const runKey = await runKeyOf(
    first.kernel.moduleSha256,
    first.data.map(({ sha256 }) => sha256),
    job,
  )
  return { ...first, job: jobText(job), runKey, recipe, seed }
}
