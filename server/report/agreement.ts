import type { Facts } from './facts.ts'
import { number } from './numbers.ts'
import { code, table } from './text.ts'

const ROWS_MAX = 50

/** Of a study: what was claimed, and whether it came out again. */
export function agreed({ agreement, campaign }: Facts): string[] {
  if (agreement === null) return []
  const { summary, runs, rows } = agreement
  const shown = rows.slice(0, ROWS_MAX)
  return [
    '## Did it come out again?',
    `${summary.agrees} of ${summary.originals} claims agree, ${summary.differs} differ, ${summary.waiting} wait, ${summary.failed} could not be computed; ${runs} runs of each, by hosts of different owners.`,
    table(
      ['original', 'seed', 'class', 'claimed', 'found', 'agreement', 'equal runs'],
      shown.flatMap(({ number: place, resultId, seed, claimed, classes }) =>
        classes.map(({ engineClass, agreement: said, found, equal, unequal }) => [
          ...[code(resultId ?? `#${place}`), String(seed), engineClass, outcome(claimed)],
          ...[found === null ? '—' : outcome(found), said, `${equal} of ${equal + unequal}`],
        ]),
      ),
    ),
    ...(shown.length < rows.length ? [`The first ${shown.length} of ${rows.length} originals.`] : []),
    `Equal means the same digest, of everything that a run says. Reproduce: ${code(`xeenet campaign agreement ${campaign.id}`)}`,
  ]
}

/** The metric, or how the run ended, and the beginning of its digest. */
const outcome = ({
  status,
  metricValue,
  digest,
}: {
  readonly status: string
  readonly metricValue: number | null
  readonly digest: string
}): string => `${metricValue === null ? status : number(metricValue)} ${code(digest.slice(0, 8))}`
