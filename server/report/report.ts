import { agreed } from './agreement.ts'
import { answer } from './answer.ts'
import type { Facts } from './facts.ts'
import {
  bestSoFarFigure,
  contourFigure,
  curvesFigure,
  type FigureFile,
  importanceFigure,
  paretoFigure,
  residualsFigure,
  sliceFigure,
} from './figures.ts'
import { proposed } from './proposers.ts'
import { caveats, history, mattered, reproduction, search, tested } from './sections.ts'
import { testsFigure } from './tests-figure.ts'
import { fenced, inline } from './text.ts'

/** A report: Markdown, and the figures that it shows, by relative names. */
export interface Report {
  readonly markdown: string
  readonly figures: readonly { readonly name: string; readonly svg: string }[]
}

const SLICES_MAX = 6

/** Writes the report of a campaign. Whatever strangers wrote is escaped or fenced. */
export function writeReport(facts: Facts): Report {
  const figures = figuresOf(facts)
  const byName = new Map(figures.map(each => [each.name, each]))
  const { campaign, file, at } = facts
  const sections = [
    `# ${inline(file.title)}`,
    `Campaign ${campaign.id}, ${campaign.state}, revision ${campaign.revision}, as of ${at}. ${inline(file.kernel)} on ${inline(file.data)}, ${file.metric.goal} ${inline(file.metric.name)}. Only verified, final, whole runs count.`,
    ...(file.question === undefined ? [] : ['As it was asked:', fenced(file.question)]),
    ...agreed(facts),
    ...answer(facts),
    ...mattered(facts, byName),
    ...search(facts, byName),
    ...proposed(facts),
    ...tested(facts, byName),
    ...caveats(facts),
    ...history(facts),
    ...reproduction(facts),
  ]
  return {
    markdown: `${sections.join('\n\n')}\n`,
    figures: figures.map(({ name, svg }) => ({ name, svg })),
  }
}

function figuresOf({ analysis, tests }: Facts): FigureFile[] {
  const { metric, bestSoFar, importance, slices, contour, curves, pareto, residuals } = analysis
  const order = importance?.parameters?.map(({ name }) => name) ?? []
  const sliced = (slices?.parameters ?? [])
    .toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
    .slice(0, SLICES_MAX)
  return [
    bestSoFar && bestSoFarFigure(bestSoFar, metric),
    importance && importanceFigure(importance),
    ...sliced.map(slice => sliceFigure(slice, metric)),
    contour ? contourFigure(contour, metric) : undefined,
    curves && curvesFigure(curves, metric),
    pareto && paretoFigure(pareto, metric),
    residuals && residualsFigure(residuals),
    testsFigure(tests.tests),
  ].filter(each => each !== undefined)
}
