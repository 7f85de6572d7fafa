import type { CompareView, TestView } from '#protocol/tests.ts'
import { bestOf, type Facts, recipeCode } from './facts.ts'
import { mean, number } from './numbers.ts'
import { code, inline, table } from './text.ts'

const TOP = 5

/** The answer first: which configuration is best, by how much, and how sure that is. */
export function answer(facts: Facts): string[] {
  const best = bestOf(facts)
  const { leaderboard, campaign } = facts
  if (best === undefined)
    return ['## Answer', 'Nothing is verified yet: there is no answer.', ...(waitingLine(facts) ?? [])]
  const isUnchanged = best.experimentId === facts.baselineId
  return [
    '## Answer',
    [
      `- **Best:** ${recipeCode(facts.file, best.recipe)}${isUnchanged ? ', the unchanged recipe' : ''}: ${inline(leaderboard.metric.name)} ${mean(best)}, ${leaderboard.metric.goal === 'minimize' ? 'less' : 'more'} is better (${code(best.experimentId)}).`,
      ...facts.comparisons.map(
        ({ against, view }) => `- **Against ${against}:** ${comparison(campaign.id, view)}`,
      ),
      `- **How sure:** ${certainty(facts, best.experimentId)}`,
      ...facts.interactions.map(view => `- **Interaction:** ${interaction(campaign.id, view)}`),
      ...baselineLines(facts, best.mean),
      ...(campaign.state === 'running' || campaign.state === 'paused'
        ? [`- The campaign is ${campaign.state}: this may change.`]
        : []),
    ].join('\n'),
    ...(waitingLine(facts) ?? []),
    topTable(facts),
    `Reproduce: ${code(`xeenet repro ${best.resultId ?? best.experimentId}`)}`,
  ]
}

function waitingLine({ leaderboard }: Facts): string[] | undefined {
  return leaderboard.waiting === 0
    ? undefined
    : [`Left out everywhere here, since they may lead and wait for the verifier: ${leaderboard.waiting}.`]
}

function topTable({ leaderboard, file, baselineId }: Facts): string {
  return table(
    ['#', 'configuration', `${inline(leaderboard.metric.name)}, mean ± 95 % (n)`, 'diverged', 'experiment'],
    leaderboard.rows
      .slice(0, TOP)
      .map((row, i) => [
        String(i + 1),
        `${recipeCode(file, row.recipe)}${row.experimentId === baselineId ? ' (unchanged recipe)' : ''}${row.exactness === 'not_rerun' ? ' (not re-run exactly)' : ''}`,
        mean(row),
        String(row.diverged),
        code(row.experimentId),
      ]),
  )
}

const VERDICTS: Readonly<Record<CompareView['verdict'], string>> = {
  a_better: 'the best is better, by the 95 % interval of the paired difference.',
  b_better: 'the best is worse on the seeds that both have: its place comes from other seeds.',
  no_difference_shown: 'no difference is shown: the 95 % interval of the paired difference has zero in it.',
  too_few_pairs: 'too few seeds in common to say anything.',
}

const comparison = (id: string, { difference, verdict, a, b, metric }: CompareView): string =>
  `${inline(metric.name)} differs by ${mean(difference)} on common seeds; ${VERDICTS[verdict]} Reproduce: ${code(`xeenet campaign compare ${id} ${a.experimentId} ${b.experimentId}`)}`

/** Who wins a screening of many looks better than it is; only a test on fresh seeds says more. */
function certainty({ tests, analysis }: Facts, bestId: string): string {
  const promoted = tests.tests.filter(({ state }) => state === 'promoted')
  const own = promoted.findLast(({ challenger }) => challenger === bestId)
  if (own !== undefined) return `${promotion(own)} ${lastWord(promoted, own)}`
  const last = promoted.at(-1)
  const chosen = `it leads ${analysis.experiments.finished} finished experiments by its mean, and the best of many looks better than it is`
  if (last !== undefined)
    return `${chosen}; what passed a test is ${code(last.challenger)}: ${promotion(last)}`
  if (tests.effect === null) return `${chosen}; the campaign tests nothing (no \`stop.sprt\`).`
  return `${chosen}; no sequential test has confirmed it (${tally(tests.tests)}).`
}

const promotion = ({ number: i, gain, llr, upper, alpha }: TestView): string =>
  `sequential test ${i} promoted it on fresh paired seeds: gain ${mean(gain)}, LLR ${llr.toFixed(2)} ≥ ${upper.toFixed(2)}, at a chance of at most ${alpha.toPrecision(2)} if there were none.`

const lastWord = (promoted: readonly TestView[], own: TestView): string =>
  promoted.at(-1) === own ? '' : 'A later test promoted another one.'

/** `2 promoted, 1 rejected` */
export function tally(tests: readonly TestView[]): string {
  const counts = Map.groupBy(tests, ({ state }) => state)
  const words = [...counts].map(([state, all]) => `${all.length} ${state}`)
  return words.length === 0 ? 'none was begun' : words.join(', ')
}

function interaction(
  id: string,
  { best, by, levels, contrast, verdict, test }: Facts['interactions'][number],
): string {
  const choices = levels
    .map(level => `${code(String(level.best))} at ${code(`${by}=${level.by}`)} (${mean(level.all)})`)
    .join(', ')
  const words = {
    depends: `depends on \`${by}\`: exchanging the choices of the outermost levels costs ${mean(contrast)}`,
    no_dependence_shown: `no dependence on \`${by}\` is shown: exchanging the choices costs ${mean(contrast)}`,
    same_choice: `the outermost levels of \`${by}\` choose the same`,
    not_measured: `whether it depends on \`${by}\` was not measured`,
  }
  const tested = test === null ? '' : ` ${testWords(test)}`
  return `the best \`${best}\` — ${words[verdict]} on the screening seeds.${tested} Best: ${choices}. Reproduce: ${code(`xeenet campaign interaction ${id} --best ${best} --by ${by}`)}`
}

type Tested = NonNullable<Facts['interactions'][number]['test']>

/** What the agent's own seeds say. */
function testWords({ state, why, cost, effect, llr, lower, upper }: Tested): string {
  if (why !== null) return `Fresh seeds were not run: ${inline(why)}.`
  const words = {
    depends: 'it depends',
    no_dependence: 'it does not',
    undecided: 'it stays open',
    running: 'it is still being run',
    ...{ same_choice: '', not_measured: '' },
  }[state]
  return `**By a sequential test on fresh seeds ${words}:** exchanging the choices costs ${mean(cost)}, where ${number(effect)} was worth knowing; LLR ${llr.toFixed(2)} (depends from ${upper.toFixed(2)}, does not from ${lower.toFixed(2)}).`
}

function baselineLines({ leaderboard }: Facts, best: number | null): string[] {
  const { baselines, metric } = leaderboard
  const sign = metric.goal === 'minimize' ? 1 : -1
  const strongest = baselines.toSorted((a, b) => sign * (a.value - b.value))[0]
  if (strongest === undefined || best === null) return []
  const gain = sign * (strongest.value - best)
  return [
    `- **Against models that only count:** the strongest (${inline(strongest.name)}) reaches ${number(strongest.value)}; the best is ${number(Math.abs(gain))} ${gain >= 0 ? 'better' : 'worse'}.`,
  ]
}
