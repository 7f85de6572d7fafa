import type { TestView } from '#protocol/tests.ts'
import type { FigureFile } from './figures.ts'
import { axis, dot, figure, label, line, PLOT } from './svg.ts'

const GAUGES_MAX = 10

/** The newest sequential tests as gauges: the log likelihood ratio between the bounds at which it decides. */
export function testsFigure(tests: readonly TestView[]): FigureFile | undefined {
  const shown = tests.slice(-GAUGES_MAX)
  if (shown.length === 0) return undefined
  const x = axis(
    'log likelihood ratio of the effect to none',
    shown.flatMap(({ lower, upper, llr }) => [lower, upper, llr]),
    { from: PLOT.left + 110, to: PLOT.right },
  )
  const step = (PLOT.bottom - PLOT.top) / shown.length
  const marks = shown.flatMap(({ number, state, lower, upper, llr }, i) => {
    const y = PLOT.top + (i + 0.5) * step
    return [
      label({ x: PLOT.left - 56, y: y + 4, text: `${number} ${state}` }),
      line({ x1: x.at(lower), x2: x.at(upper), y1: y, y2: y, className: 'edge' }),
      ...[lower, upper].map(bound =>
        line({ x1: x.at(bound), x2: x.at(bound), y1: y - 6, y2: y + 6, className: 'edge' }),
      ),
      dot(x.at(llr), y, state === 'promoted' ? 'bestdot' : 'dot'),
    ]
  })
  const title = 'Sequential tests: rejected at the left bound, promoted at the right one'
  const promoted = tests.filter(({ state }) => state === 'promoted').length
  const says = `${promoted} of ${tests.length} tests promoted their challenger.`
  return { name: 'tests.svg', title, says, svg: figure({ title, says, x, y: null, marks }) }
}
