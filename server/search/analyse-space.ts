import { invariant } from '#domain/invariant.ts'
import type { AnalysisOf } from '#protocol/analysis.ts'
import { contourOf, sliceOf } from './analysis.ts'
import type { View } from './history.ts'
import { IMPORTANCE_TRIALS_MIN, importances } from './importance.ts'
import type { Parameter } from './parameter.ts'
import type { SearchSpace } from './search-space.ts'
import { smoothed } from './smooth.ts'

/** How much each parameter alone tells the best from all. */
export const importanceOf = (space: SearchSpace, view: View): AnalysisOf<'importance'> => {
  const shares = importances(space, view)
  return {
    method: `PED-ANOVA: how far the density of each parameter alone among the best quarter is from that among all, as shares. Unknown below ${IMPORTANCE_TRIALS_MIN} finished experiments. It sees no interactions.`,
    n: view.observations.length,
    parameters: shares?.map(({ name, share }) => ({ name, share })).sort((a, b) => b.share - a.share) ?? null,
  }
}

const scaleOf = ({ kind, size }: Parameter): string =>
  kind === 'range'
    ? 'a range in equal parts of its scale'
    : kind === 'levels' && Number.isFinite(size)
      ? 'ordered values'
      : 'values without order'

/** The values by each parameter. */
export function slicesOf(space: SearchSpace, view: View, sign: number): AnalysisOf<'slices'> {
  return {
    method:
      'Experiments by the value of one parameter, whatever the others were; ranges and long lists in 16 bins.',
    n: view.observations.length,
    parameters: space.parameters.map(parameter => ({
      name: parameter.name,
      scale: scaleOf(parameter),
      bins: (sliceOf(space, view, parameter.name) ?? []).map(({ value, n, least, mean, ci95 }) => ({
        ...{ value, n, best: signed(least, sign), mean: signed(mean, sign), ci95 },
      })),
    })),
  }
}

const signed = (loss: number | null, sign: number): number | null => (loss === null ? null : sign * loss)

export interface Axes {
  readonly x: string | undefined
  readonly y: string | undefined
}

/** The asked for parameters, the others by importance, or by name where that is not known. */
export function axesOf(
  { parameters }: SearchSpace,
  shares: AnalysisOf<'importance'>['parameters'],
  { x, y }: Partial<Axes>,
): Axes {
  const order = (shares ?? parameters).map(({ name }) => name)
  const first = x ?? order.find(name => name !== y)
  return { x: first, y: y ?? order.find(name => name !== first) }
}

/** The values over two parameters. Undefined: the space lacks one; null: it has only one. */
export function contourView(
  space: SearchSpace,
  view: View,
  { sign, names: { x, y } }: { readonly sign: number; readonly names: Axes },
): AnalysisOf<'contour'> | undefined {
  if (x === undefined || y === undefined) return null
  const contour = contourOf(space, view, { x, y })
  if (contour === undefined) return undefined
  const axisOf = (name: string) => space.parameters.find(parameter => parameter.name === name)
  const [px, py] = [axisOf(x), axisOf(y)]
  invariant(px !== undefined && py !== undefined, 'a contour has both axes')
  const estimates = smoothed({
    columns: contour.x.length,
    cells: contour.cells,
    isOrdered: { x: px.kind !== 'categories', y: py.kind !== 'categories' },
  })
  return {
    method:
      'Observed means in cells (ranges and long lists in 16 parts), and estimates from a Gaussian kernel one cell wide, weighted by n, over the cells within three; not across values without order.',
    n: view.observations.length,
    x: { name: x, scale: scaleOf(px), values: [...contour.x] },
    y: { name: y, scale: scaleOf(py), values: [...contour.y] },
    cells: contour.cells.map(({ n, mean, least }, i) => ({
      ...{ n, mean: signed(mean, sign), best: signed(least, sign) },
      estimate: signed(estimates[i] ?? null, sign),
    })),
  }
}
