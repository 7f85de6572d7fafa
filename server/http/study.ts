import type { RequestHandler } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { compareRuns } from '#domain/study.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { DatasetManifest } from '#protocol/dataset.ts'
import { isExact } from '#protocol/engine.ts'
import { Job, jobText, LAST_RUNG, rungsUntil, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import { RunReport } from '#protocol/report.ts'
import type { AgreementView, Original } from '#protocol/study.ts'
import type { ExperimentId, ResultId } from '#protocol/units.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import type { KernelRow } from '#store/kernels.ts'
import { findResult } from '#store/published.ts'
import type { Executor } from '#store/rows.ts'
import { type AnsweredRun, readAnswered, type StudyRun } from '#store/studies.ts'
import { withheldOf } from '#store/withheld.ts'
import { campaignOf } from './campaigns.ts'
import { slotFiles } from './catalogue.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

interface Study {
  readonly file: CampaignFile
  readonly kernel: KernelRow
  readonly dataset: DatasetManifest
}

/**
 * What a campaign of type `replicate` computes again, in the order of its file; undefined of another campaign. Throws `Refused`
 * (campaign_invalid, recipe_invalid) with the original's place.
 */
export async function studyOf(on: Executor, study: Study): Promise<StudyRun[] | undefined> {
  const { file, kernel } = study
  if (file.study === undefined) return undefined
  const other = file.study.classes.find(name => name !== kernel.manifest.engine)
  if (other !== undefined)
    throw invalid(`study.classes: ${file.kernel} runs in ${kernel.manifest.engine} only, not in ${other}`)
  const runs: StudyRun[] = []
  for (const [number, original] of file.study.originals.entries()) {
    const run =
      typeof original === 'string'
        ? await fromResult(on, study, { number, id: original })
        : await fromClaim(on, study, { number, original })
    const twin = runs.find(({ runKey }) => runKey === run.runKey)
    if (twin !== undefined)
      throw invalid(`study.originals.${number}: the same computation as originals.${twin.number}`)
    runs.push(run)
  }
  return runs
}

const invalid = (detail: string): Refused => new Refused('campaign_invalid', detail)

/** A published result of this server. */
async function fromResult(
  on: Executor,
  { file, kernel, dataset }: Study,
  { number, id }: { number: number; id: ResultId },
): Promise<StudyRun> {
  const at = `study.originals.${number}`
  const found = await findResult(on, id)
  if (found === undefined || !found.published || !found.canonical || found.provisional)
    throw invalid(`${at}: ${id} is not a published, final result`)
  if (found.digest === null || found.report === null) throw invalid(`${at}: ${id} has no report`)
  if (found.kernelSha256 !== kernel.moduleSha256 || found.datasetSha256 !== dataset.sha256)
    throw invalid(`${at}: ${id} is of another kernel or data set than ${file.kernel} on ${file.data}`)
  if (found.engineClass !== kernel.manifest.engine)
    throw invalid(`${at}: ${id} was computed by ${found.engineClass}, whose digests are its own`)
  const job = Job.parse(JSON.parse(found.job))
  assertLimit(file, job, at)
  const { status, metric } = RunReport.parse(JSON.parse(found.report))
  const { recipe, seed, rungs } = job
  return {
    ...{ number, recipe, recipeSha256: sha256Of(Buffer.from(canonicalJson(recipe))) },
    ...{ job: found.job, runKey: found.runKey, seed, rung: rungs?.until ?? LAST_RUNG },
    ...{ resultId: id, digest: found.digest, status, metricValue: metric?.value ?? null },
  }
}

/** A line of an export, of this server or another. What it says was computed has to give its run key. */
async function fromClaim(
  on: Executor,
  { file, kernel, dataset }: Study,
  { number, original }: { number: number; original: Original },
): Promise<StudyRun> {
  const at = `study.originals.${number}`
  const reply = canonicalRecipe(kernel.manifest, original.recipe)
  if (!reply.ok) throw new Refused('recipe_invalid', `${at}.recipe: ${reply.reason}`)
  assertLimit(file, original, at)
  const { seed, limit, rung, runKey, digest, status, metricValue } = original
  const whole: Job = { kernel: file.kernel, task: 'train', recipe: reply.recipe, seed, limit, marks: MARKS }
  const data = slotFiles(kernel.manifest, dataset).map(slot => slot.sha256)
  // A line does not say whether a whole run was evaluated at rungs; its run key does.
  const jobs: readonly Job[] = [...(rung === LAST_RUNG ? [whole] : []), { ...whole, rungs: rungsUntil(rung) }]
  for (const job of jobs) {
    if ((await runKeyOf(kernel.moduleSha256, data, job)) !== runKey) continue
    const known = original.resultId === undefined ? undefined : await findResult(on, original.resultId)
    return {
      ...{ number, recipe: reply.recipe, recipeSha256: sha256Of(Buffer.from(canonicalJson(reply.recipe))) },
      ...{ job: jobText(job), runKey, seed, rung, digest, status, metricValue },
      resultId: known?.runKey === runKey ? known.resultId : null,
    }
  }
  throw invalid(`${at}.runKey: ${file.kernel} on ${file.data} with this recipe, seed and limit has another`)
}

function assertLimit({ budget }: CampaignFile, { limit }: Pick<Job, 'limit'>, at: string): void {
  const { fuel_per_run: fuel, updates_per_run: updates } = budget
  const isSame = 'fuel' in limit ? limit.fuel === fuel : limit.updates === updates
  if (!isSame) throw invalid(`${at}: its limit is ${canonicalJson(limit)}, which budget has to name`)
}

/** GET /campaigns/:id/agreement. What would lead and no verifier has seen waits, as on the leaderboard. */
export function showAgreement(edge: Edge): RequestHandler {
  return async (req, res) => {
    const campaign = await campaignOf(edge, req)
    const view = await viewAgreement(edge, campaign)
    if (view === null) throw new Refused('not_found', 'this campaign is not of type replicate')
    res.json(view)
  }
}

/** What a study claims, and whether it came out again; null: the campaign is none. */
export async function viewAgreement(
  { knex, trust }: Pick<Edge, 'knex' | 'trust'>,
  campaign: CampaignRow,
): Promise<AgreementView | null> {
  const { study } = campaign.file
  if (study === undefined) return null
  const answered = await readAnswered(knex, campaign.id)
  const withheld = new Set(await withheldOf(knex, campaign, trust.rules))
  const rows = answered.map(run => rowOf(run, study.classes, withheld))
  const count = (wanted: string): number =>
    rows.flatMap(row => row.classes).filter(({ agreement }) => agreement === wanted).length
  return {
    runs: study.runs,
    summary: {
      originals: rows.length,
      ...{ agrees: count('agrees'), differs: count('differs') },
      ...{ waiting: count('waiting'), failed: count('failed') },
    },
    rows,
  }
}

type Row = AgreementView['rows'][number]

function rowOf(
  run: AnsweredRun,
  classes: readonly Row['classes'][number]['engineClass'][],
  withheld: ReadonlySet<ExperimentId>,
): Row {
  const { number, resultId, recipe, seed, rung, runKey, digest, status, metricValue } = run
  const claimed = { digest, status, metricValue }
  const isShown = run.published && (run.experimentId === null || !withheld.has(run.experimentId))
  const { foundDigest, foundStatus, foundMetric: foundValue } = run
  const found =
    isShown && foundDigest !== null && foundStatus !== null
      ? { digest: foundDigest, status: foundStatus, metricValue: foundValue }
      : null
  const isLost = found === null && (run.unitState === 'failed' || run.unitState === 'cancelled')
  return {
    ...{ number, resultId, recipe, seed, rung, runKey, claimed },
    classes: classes.map(engineClass => {
      const { agreement, metric } = compareRuns(engineClass, claimed, found === null ? [] : [found])
      return {
        ...{
          engineClass,
          by: isExact(engineClass) ? 'digest' : 'interval',
          workUnitId: run.workUnitId,
          found,
          metric,
        },
        agreement: isLost ? 'failed' : agreement,
        ...{ equal: found === null ? 0 : run.equal, unequal: found === null ? 0 : run.unequal },
      }
    }),
  }
}
