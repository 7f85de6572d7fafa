import type { Command } from 'commander'
import { z } from 'zod'
import { AnalysisView } from '#protocol/analysis.ts'
import { askBoth } from '#runtime/api.ts'
import { contextOf, options } from '../options.ts'
import { campaignPath } from '../verb.ts'

const Options = z.object({
  part: z.array(z.string()).optional(),
  x: z.string().optional(),
  y: z.string().optional(),
  limit: z.string().optional(),
})

/** `xeenet campaign analysis ID`: what its verified results say. */
export async function showAnalysis(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { part, ...rest } = options(Options, command)
  const query = new URLSearchParams()
  if (part !== undefined) query.set('part', part.join(','))
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, value)
  const path = `${campaignPath(id)}/analysis${query.size === 0 ? '' : `?${query}`}`
  const { reply, text } = await askBoth(endpoint, AnalysisView, { method: 'GET', path })
  talk.data(talk.json ? text : analysisLines(reply).join('\n'))
}

/** An analysis for people: each part with its n; the methods are in the JSON. */
export function analysisLines(view: AnalysisView): string[] {
  const { created, withheld, ...counts } = view.experiments
  const states = Object.entries(counts).flatMap(([name, n]) => (n > 0 ? [`${n} ${name}`] : []))
  return [
    `${view.metric.goal} ${view.metric.name}: ${[`${created} experiments`, ...states].join(', ')}`,
    ...(withheld === 0 ? [] : [`${withheld} more may lead, wait for the verifier and are left out`]),
    ...bestLines(view),
    ...importanceLines(view),
    ...sliceLines(view),
    ...contourLines(view),
    ...curveLines(view),
    ...paretoLines(view),
    ...residualLines(view),
    ...pointLines(view),
  ]
}

const number = (value: number | null): string => (value === null ? '—' : value.toFixed(4))
const withError = ({ mean, ci95, n }: { mean: number | null; ci95: number | null; n: number }): string =>
  `${number(mean)}${ci95 === null ? '' : ` ± ${ci95.toFixed(4)}`} (n = ${n})`

function bestLines({ bestSoFar }: AnalysisView): string[] {
  if (bestSoFar === undefined) return []
  const { steps, n, plateau } = bestSoFar
  return [
    '',
    `best so far, of ${n} finished`,
    ...steps
      .slice(-8)
      .map(step => `  ${String(step.finished).padStart(6)}  ${number(step.value)}  ${step.experimentId}`),
    ...(plateau?.isFlat ? [`  flat over the last ${plateau.window}: gained ${number(plateau.gain)}`] : []),
  ]
}

const BAR = 32

function importanceLines({ importance }: AnalysisView): string[] {
  if (importance === undefined) return []
  if (importance.parameters === null)
    return ['', `importance is unknown: ${importance.n} experiments have finished, 20 are needed`]
  return [
    '',
    `importance (PED-ANOVA, n = ${importance.n})`,
    ...importance.parameters.map(
      ({ name, share }) => `  ${name.padEnd(16)} ${share.toFixed(2)} ${'█'.repeat(Math.round(share * BAR))}`,
    ),
  ]
}

function sliceLines({ slices }: AnalysisView): string[] {
  return (slices?.parameters ?? []).flatMap(({ name, bins }) => [
    '',
    `by ${name}: mean over experiments, best`,
    ...bins
      .filter(({ n }) => n > 0)
      .map(bin => `  ${String(bin.value).padEnd(12)} ${withError(bin)}  best ${number(bin.best)}`),
  ])
}

const SHADES = ['█', '▓', '▒', '░', ' ']

function contourLines({ contour, metric }: AnalysisView): string[] {
  if (contour === undefined || contour === null) return []
  const { x, y, cells } = contour
  const sign = metric.goal === 'minimize' ? 1 : -1
  const losses = cells.flatMap(({ estimate }) => (estimate === null ? [] : [sign * estimate]))
  const [low, high] = [Math.min(...losses), Math.max(...losses)]
  const shade = (estimate: number | null): string => {
    if (estimate === null) return '··'
    const at = high > low ? (sign * estimate - low) / (high - low) : 0
    return (SHADES[Math.min(SHADES.length - 1, Math.floor(at * SHADES.length))] ?? ' ').repeat(2)
  }
  const rows = y.values.map((value, j) => {
    const row = cells.slice(j * x.values.length, (j + 1) * x.values.length)
    return `  ${String(value).padStart(10)} ${row.map(({ estimate }) => shade(estimate)).join('')}`
  })
  return [
    '',
    `${y.name} (down) by ${x.name} (across, ${x.values[0]} … ${x.values.at(-1)}), estimates, n = ${contour.n}`,
    ...rows,
    `  █ best ${number(sign * low)} … blank worst ${number(sign * high)}, · nothing near`,
  ]
}

function curveLines({ curves }: AnalysisView): string[] {
  if (curves === undefined) return []
  return ['', `learning curves: ${curves.curves.length} of ${curves.n}, in the JSON and the report`]
}

function paretoLines({ pareto }: AnalysisView): string[] {
  if (pareto === undefined) return []
  return [
    '',
    `front of metric, parameters and fuel, of ${pareto.n}${pareto.leftOut === 0 ? '' : `; ${pareto.leftOut} left out`}`,
    ...pareto.rows.map(({ value, parameters, fuel, experimentId }) =>
      [
        `  ${withError(value)}`,
        `${parameters ?? '—'} parameters`,
        fuel === null ? '—' : `${(fuel / 1e9).toFixed(2)} Gfuel`,
        experimentId,
      ].join('  '),
    ),
  ]
}

function residualLines({ residuals }: AnalysisView): string[] {
  if (residuals === undefined) return []
  const { sd, pairedSd, n, experiments } = residuals
  if (sd === null) return ['', 'residuals: too few seeds to tell noise by']
  return [
    '',
    `noise: sd ${number(sd)} of a run, ${number(pairedSd)} of a paired difference (n = ${n} runs of ${experiments} experiments)`,
  ]
}

function pointLines({ points }: AnalysisView): string[] {
  if (points === undefined) return []
  return points.value.map((value, i) => {
    const recipe = Object.entries(points.parameters).flatMap(([name, column]) => {
      const at = column[i] ?? null
      return at === null ? [] : [`${name}=${at}`]
    })
    return `${number(value)}  n=${points.n[i]}  ${recipe.join(' ')}  ${points.experimentId[i]}`
  })
}
