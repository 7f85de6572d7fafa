import type { Command } from 'commander'
import { z } from 'zod'
import { InteractionView } from '#protocol/interaction.ts'
import { CompareView, type MeanView, TestList, type TestView } from '#protocol/tests.ts'
import { askBoth } from '#runtime/api.ts'
import { contextOf, options } from '../options.ts'
import { recipeText } from '../tables.ts'
import { campaignPath } from '../verb.ts'

/** `xeenet campaign tests ID`: its sequential tests as they stand. */
export async function showTests(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const asked = { method: 'GET', path: `${campaignPath(id)}/tests` } as const
  const { reply, text } = await askBoth(endpoint, TestList, asked)
  if (talk.json) return talk.data(text)
  if (reply.effect === null) return talk.data('This campaign tests nothing: stop.sprt is not in its file.')
  talk.data(
    `incumbent ${reply.incumbent ?? 'none yet'}; ${reply.budget.used} of ${reply.budget.units} runs for tests used`,
  )
  for (const test of reply.tests) talk.data(testLine(test))
}

const testLine = ({ number, state, challenger, incumbent, gain, llr, lower, upper }: TestView): string =>
  `${number}  ${state.padEnd(9)}  ${challenger} against ${incumbent}: gain ${meanText(gain)}, LLR ${llr.toFixed(2)} in [${lower.toFixed(2)}, ${upper.toFixed(2)}]`

const meanText = (mean: MeanView | null): string =>
  mean === null
    ? 'unknown (n = 0)'
    : `${mean.mean.toFixed(4)}${mean.ci95 === null ? '' : ` ± ${mean.ci95.toFixed(4)}`} (n = ${mean.n})`

const VERDICTS: Readonly<Record<CompareView['verdict'], string>> = {
  a_better: 'A is better: the 95 % interval of the paired difference leaves out zero.',
  b_better: 'B is better: the 95 % interval of the paired difference leaves out zero.',
  no_difference_shown: 'No difference is shown: the 95 % interval of the paired difference has zero in it.',
  too_few_pairs: 'Too few seeds in common to say anything.',
}

/** `xeenet campaign compare ID A B`: two experiments on the seeds that both have. */
export async function compare(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const [, a = '', b = ''] = command.args
  const path = `${campaignPath(id)}/compare?${new URLSearchParams({ a, b })}`
  const { reply, text } = await askBoth(endpoint, CompareView, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  talk.data(
    [
      `A  ${meanText(reply.a.all)}  ${recipeText(reply.a.recipe)}`,
      `B  ${meanText(reply.b.all)}  ${recipeText(reply.b.recipe)}`,
      `${reply.metric.name} A − B by common seeds: ${meanText(reply.difference)}`,
      VERDICTS[reply.verdict],
    ].join('\n'),
  )
}

const CHOICES: Readonly<Record<InteractionView['verdict'], string>> = {
  depends:
    'The choice depends on it: the 95 % interval of the loss from exchanging the choices is above zero.',
  no_dependence_shown:
    'No dependence is shown: exchanging the choices of the outermost levels costs nothing for sure.',
  same_choice: 'The outermost levels choose the same.',
  not_measured: 'Not measured: a level, a cell or seeds are missing.',
}

const answerLine = ({ state, why, cost, llr, lower, upper }: NonNullable<InteractionView['test']>): string =>
  why === null
    ? `fresh seeds say: ${state.replaceAll('_', ' ')}; exchanged choices cost ${meanText(cost)}, LLR ${llr.toFixed(2)} in [${lower.toFixed(2)}, ${upper.toFixed(2)}]`
    : `fresh seeds were not run: ${why}`

/** `xeenet campaign interaction ID --best A --by B`. */
export async function interaction(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { best, by } = options(z.object({ best: z.string(), by: z.string() }), command)
  const path = `${campaignPath(id)}/interaction?${new URLSearchParams({ best, by })}`
  const { reply, text } = await askBoth(endpoint, InteractionView, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  for (const level of reply.levels)
    talk.data(`${by}=${level.by}  best ${best}=${level.best}  ${meanText(level.all)}  ${level.experimentId}`)
  talk.data(
    `exchanged choices cost ${meanText(reply.contrast)}, chosen on even seed indexes and compared on odd ones`,
  )
  talk.data(CHOICES[reply.verdict])
  if (reply.test !== null) talk.data(answerLine(reply.test))
}
