/**
 * `npm run bench:xeebench`: searches on a table of real runs (ops/docs/xeebench.md). Computes `--check N` (6) rows of the table
 * again, drawn by `--seed`, and holds their digests against it; then prints the fuel that each search needs until it has
 * found what is as good as the best, median of `--seeds N` (50). `--samplers a,b` asks for less, `--json FILE` writes the figures.
 * `--make DIR` computes the whole table anew by a campaign whose server keeps its state in DIR, and goes on there when it was
 * interrupted; `--into DIR` says where the table is written. Exit status 1 when a digest differs or a figure exceeds its reference.
 */
import { parseArgs } from 'node:util'
import { type Figure, holdAgainstReferences } from '../../figures.ts'
import { checkRows } from './check.ts'
import { compareSearches, WITHIN } from './compare.ts'
import { makeTable } from './make.ts'
import { benchOf } from './search.ts'
import { CAMPAIGN, HERE, readTable } from './table.ts'

const { values } = parseArgs({
  options: {
    make: { type: 'string' },
    campaign: { type: 'string', default: CAMPAIGN },
    into: { type: 'string', default: HERE },
    check: { type: 'string', default: '6' },
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string', default: '50' },
    samplers: { type: 'string' },
    json: { type: 'string' },
  },
})

async function main(): Promise<void> {
  if (values.make !== undefined)
    return makeTable({ dir: values.make, campaign: values.campaign, into: values.into })
  const table = await readTable()
  const wrong = await checkRows(table, Number(values.check), Number(values.seed))
  const bench = benchOf(table)
  const figures: Figure[] = [
    { name: 'xeebench.runs', value: table.rows.length, unit: 'rows' },
    { name: 'xeebench.wrong', value: wrong, unit: `of ${values.check} rows`, reference: 0 },
    { name: 'xeebench.least', value: bench.least, unit: 'bpb, mean of the seeds' },
    { name: 'xeebench.good', value: bench.goodWithin(WITHIN), unit: `recipes of ${bench.size}` },
    ...(await compareSearches(Number(values.seeds), values.samplers?.split(','))),
  ]
  await holdAgainstReferences(figures, values.json)
}

await main()
