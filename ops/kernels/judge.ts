// What only running shows of a kernel: that it keeps its budget and its manifest's word, and gives the same bytes however it is
// asked, stopped and resumed. Runs in a process of its own (judge-process.ts), since a stranger wrote it.

import { sha256Text } from '#protocol/canonical.ts'
import type { Limit } from '#protocol/job.ts'
import { type KernelManifest, memoryBound, type SelfTest } from '#protocol/kernel.ts'
import { type Reason, reasonOf } from '#protocol/proposals.ts'
import type { Sha256 } from '#protocol/units.ts'
import type { RunOutcome, RunTask } from '#runtime/run.ts'
import { beginRun, memoryOf, openSandbox, stepOnce } from '#runtime/sandbox.ts'
import { classify } from '#runtime/trap.ts'
import { curiously, interruptedly, quietly } from './manners.ts'
import { type Rng, randomRecipes, rngFrom } from './recipes.ts'
import { type Case, evaluationOf, faultOfReport, type Judged, taskOf } from './runs.ts'

/** What a kernel's runs say of it. `digest` is that of its self-test. */
export interface Verdict {
  readonly reasons: readonly Reason[]
  readonly digest: Sha256 | null
  /** Ends of the runs with recipes drawn at random, by status. */
  readonly ends: Readonly<Record<string, number>>
  readonly stepFuelMax: number
}

const RECIPES = 8
const RECIPES_MEMORY = 32
/** Fuel of the runs with random recipes: the self-test's, up to so much. */
const FUEL_FACTOR_MAX = 2
const FUEL_TRIED_MAX = 1e9
/** Instructions of one step: a second on a slow host, for which a volunteer waits after pressing pause. */
const STEP_FUEL_MAX = 2e9

/** Judges an admitted kernel; the draws follow from the module, so the verdict does too. */
export async function judge(
  kernel: Judged,
  selfTest: Omit<SelfTest, 'digest'>,
  manifest: KernelManifest,
): Promise<Verdict> {
  const reasons = new Map<string, Reason>()
  const note = (reason: Reason | undefined): void => {
    if (reason !== undefined && !reasons.has(reason.code)) reasons.set(reason.code, reason)
  }
  const rng = rngFrom(kernel.moduleSha256)
  const digests: Sha256[] = []
  for (const [i, { recipe, limit }] of selfTest.runs.entries()) {
    const digest = await judgeSelfTest(
      kernel,
      { recipe, limit, seed: selfTest.seed },
      `self-test ${i + 1}`,
      note,
    )
    if (digest !== undefined) digests.push(digest)
  }
  let stepFuelMax = 0
  const ends: Record<string, number> = {}
  if (reasons.size === 0) {
    const [first] = selfTest.runs
    if (first !== undefined) stepFuelMax = await longestStep(kernel, { ...first, seed: selfTest.seed })
    if (stepFuelMax > STEP_FUEL_MAX)
      note(
        reasonOf(
          'step_too_long',
          `one xee_step executes ${stepFuelMax} instructions; the limit is ${STEP_FUEL_MAX}`,
          'Do less in one xee_step: pause and progress work between two of them.',
        ),
      )
    await judgeMemory(kernel, manifest, rng, note)
    await judgeRandom(kernel, { manifest, selfTest, rng, ends }, note)
  }
  const whole = digests.length === selfTest.runs.length && reasons.size === 0
  return {
    reasons: [...reasons.values()],
    digest: whole ? await sha256Text(digests.join('')) : null,
    ends,
    stepFuelMax,
  }
}

type Note = (reason: Reason | undefined) => void

/** One run of the self-test, asked in every manner; its digest if it ends well. */
async function judgeSelfTest(
  kernel: Judged,
  test: Case,
  what: string,
  note: Note,
): Promise<Sha256 | undefined> {
  const task = await taskOf(kernel, test)
  if ('code' in task) return void note(task)
  const plain = await quietly(task)
  if (plain.type !== 'report' || plain.report.status !== 'ok') return void note(badEnd(plain, what))
  note(faultOfReport(kernel, task, test.limit, plain))
  const manners: readonly (readonly [string, (task: RunTask) => Promise<RunOutcome>, string])[] = [
    ['not_deterministic', quietly, 'Read nothing that was not written first; no state survives a run.'],
    ['depends_on_being_asked', curiously, 'xee_output, xee_state and xee_artifact change nothing.'],
    ['state_incomplete', interruptedly, 'All state is in memory and in globals: keep none elsewhere.'],
  ]
  for (const [code, compute, hint] of manners) {
    const again = await compute(task)
    if (again.type !== 'report' || again.digest !== plain.digest)
      note(reasonOf(code, `${what}: ${endOf(again)} where it was ${endOf(plain)} before`, hint))
  }
  await judgeEvaluation(kernel, { task, plain, what }, note)
  return plain.digest
}

/** The exact evaluator is the kernel itself: from the weights of a run it must give the run's metric. */
async function judgeEvaluation(
  kernel: Judged,
  { task, plain, what }: { task: RunTask; plain: RunOutcome & { type: 'report' }; what: string },
  note: Note,
): Promise<void> {
  const hint =
    'With task "evaluate" the last slot holds the weights that xee_artifact gave, and the metric is the same.'
  if (plain.artifact === null)
    return note(reasonOf('artifact_missing', `${what} ends ok and shows no weights`, hint))
  const evaluated = await quietly(await evaluationOf(kernel, task, plain.artifact))
  const metric = evaluated.type === 'report' ? evaluated.report.metric?.value : undefined
  if (metric !== plain.report.metric?.value)
    note(
      reasonOf(
        'evaluation_differs',
        `${what}: its weights give ${metric ?? endOf(evaluated)}, and it said ${plain.report.metric?.value}`,
        hint,
      ),
    )
}

async function judgeMemory(kernel: Judged, manifest: KernelManifest, rng: Rng, note: Note): Promise<void> {
  for (const recipe of randomRecipes(manifest, rng, RECIPES_MEMORY)) {
    const limit = { updates: 1 } as const
    const task = await taskOf(kernel, { recipe, limit, seed: 1 })
    if ('code' in task) return note(task)
    const bytes = await memoryAfterInit(task)
    if (typeof bytes !== 'number')
      return note(
        reasonOf(
          'recipe_declined',
          `${JSON.stringify(recipe)}: ${bytes.detail}`,
          'Every recipe that the manifest allows can begin: narrow its ranges, or add a rule.',
        ),
      )
    if (manifest.memory !== undefined && bytes > memoryBound(manifest, recipe))
      return note(
        reasonOf(
          'memory_bound_low',
          `${JSON.stringify(recipe)} takes ${bytes} bytes; memory.bytes says ${memoryBound(manifest, recipe)}`,
          'The bound counts the whole memory, its first pages and the data included.',
        ),
      )
  }
}

/** Bytes of memory when the run begins: none is taken later. */
async function memoryAfterInit(task: RunTask): Promise<number | { readonly detail: string }> {
  const sandbox = await openSandbox(task.module, BigInt(task.fuelMax))
  try {
    beginRun(sandbox, [new TextEncoder().encode(task.job), ...task.data])
    return memoryOf(sandbox).length
  } catch (error) {
    const failure = classify(error, false)
    return { detail: failure.type === 'trap' ? 'it traps before its first step' : failure.detail }
  }
}

async function longestStep(kernel: Judged, test: Case): Promise<number> {
  const task = await taskOf(kernel, test)
  if ('code' in task) return 0
  const sandbox = await openSandbox(
    task.module,
    BigInt('fuel' in test.limit ? test.limit.fuel : task.fuelMax),
  )
  beginRun(sandbox, [new TextEncoder().encode(task.job), ...task.data])
  let longest = 0n
  for (let stepped = 0; stepped === 0; ) {
    const before = sandbox.fuelLeft
    stepped = stepOnce(sandbox)
    if (before - sandbox.fuelLeft > longest) longest = before - sandbox.fuelLeft
  }
  return Number(longest)
}

interface Random {
  readonly manifest: KernelManifest
  readonly selfTest: Omit<SelfTest, 'digest'>
  readonly rng: Rng
  readonly ends: Record<string, number>
}

/** Recipes from all over the space, under limits of both kinds: each ends by itself within its budget. */
async function judgeRandom(
  kernel: Judged,
  { manifest, selfTest, rng, ends }: Random,
  note: Note,
): Promise<void> {
  const fuels = selfTest.runs.flatMap(({ limit }) => ('fuel' in limit ? [limit.fuel] : []))
  const base = Math.max(1e6, ...fuels)
  for (const [i, recipe] of randomRecipes(manifest, rng, RECIPES).entries()) {
    const fuel = Math.floor(Math.min(FUEL_TRIED_MAX, base * (1 + rng() * (FUEL_FACTOR_MAX - 1))))
    const limit: Limit = i % 4 === 3 ? { updates: 1 + Math.floor(rng() * 3) } : { fuel }
    const what = `${JSON.stringify(recipe)} with ${JSON.stringify(limit)}`
    const task = await taskOf(kernel, { recipe, limit, seed: Math.floor(rng() * 2 ** 32) })
    if ('code' in task) return note(task)
    const outcome = await quietly(task)
    const status = outcome.type === 'report' ? outcome.report.status : outcome.type
    ends[status] = (ends[status] ?? 0) + 1
    if (outcome.type !== 'report' || status === 'trapped') note(badEnd(outcome, what))
    else note(faultOfReport(kernel, task, limit, outcome))
  }
}

function badEnd(outcome: RunOutcome, what: string): Reason {
  if (outcome.type === 'report' && outcome.report.status === 'trapped')
    return reasonOf(
      'traps',
      `${what}: it traps after ${outcome.report.fuelUsed} instructions and ${outcome.report.counters.steps} steps`,
      'It runs out of fuel, or out of bounds: plan fewer updates than fuelLeft pays for, the evaluation included.',
    )
  const code = outcome.type === 'error' ? outcome.code : 'self_test_fails'
  return reasonOf(
    code,
    `${what}: ${endOf(outcome)}`,
    'A run of the self-test ends ok, and every run in a report.',
  )
}

const endOf = (outcome: RunOutcome): string => {
  if (outcome.type === 'report') return `${outcome.report.status}, digest ${outcome.digest.slice(0, 12)}…`
  return outcome.type === 'error' ? `${outcome.code}: ${outcome.detail}` : outcome.type
}
