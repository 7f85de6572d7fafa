import type { RequestHandler } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { shownRows } from '#domain/records.ts'
import { ci95 } from '#domain/statistics.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { DatasetManifest } from '#protocol/dataset.ts'
import { SCIENCE_ROWS_MAX, SCIENCE_RUNS_MAX } from '#protocol/limits.ts'
import { BoardId, type ScienceBoard, type ScienceList, ScienceQuery } from '#protocol/science.ts'
import { type CampaignId, type ExperimentId, toWire } from '#protocol/units.ts'
import { datasetsByHash, readCompressor } from '#store/datasets.ts'
import { type KernelRow, kernelsByHash } from '#store/kernels.ts'
import { type Comparable, listComparable, rankComparable, type ScienceRow } from '#store/science.ts'
import { withheldAmong } from '#store/withheld.ts'
import { baselinesFor } from './campaign-view.ts'
import type { Edge } from './edge.ts'
import { type Kept, newKept } from './kept.ts'
import { parse, Refused } from './problem.ts'

interface Board extends Comparable {
  readonly id: BoardId
  readonly kernel: KernelRow
  readonly dataset: DatasetManifest
}

// The same pages are looked at by many, and a run more or less may be seen a moment later.
const KEPT_MS = 10_000
const BOARDS_KEPT = 200

/** GET /science: the best configurations of each kernel, data set and budget over all campaigns, among the baselines. */
export function showScience(edge: Edge): RequestHandler {
  const lists = newKept<'all', readonly Board[]>(edge.now, { forMs: KEPT_MS, most: 1 })
  const boards: Kept<string, ScienceBoard> = newKept(edge.now, { forMs: KEPT_MS, most: BOARDS_KEPT })
  return async (req, res) => {
    const { limit, rows, after, board, kernel, data } = parse(ScienceQuery, req.query)
    const all = (await lists.get('all', 0, () => listBoards(edge))).filter(
      ({ id, ...of }) =>
        (board ?? id) === id &&
        (kernel ?? nameOf(of.kernel)) === nameOf(of.kernel) &&
        (data ?? nameOf(of.dataset)) === nameOf(of.dataset),
    )
    const begin = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
    if (after !== undefined && begin === 0) throw new Refused('bad_request', `after: no board ${after}`)
    const page = all.slice(begin, begin + limit)
    const shown: ScienceBoard[] = []
    for (const one of page)
      shown.push(await boards.get(`${one.id} ${rows}`, 0, () => viewBoard(edge, one, rows)))
    const view: ScienceList = {
      boards: shown.filter(({ rows, waiting }) => rows.length + waiting > 0),
      nextAfter: begin + limit < all.length ? (page.at(-1)?.id ?? null) : null,
    }
    res.json(view)
  }
}

const nameOf = ({ name, version }: { readonly name: string; readonly version: number }): string =>
  `${name}@${version}`

/** Every board there is, by the names of kernel and data and by budget. */
async function listBoards(edge: Edge): Promise<Board[]> {
  const all = await listComparable(edge.knex)
  const kernels = await kernelsByHash(edge.knex, [...new Set(all.map(of => of.kernelSha256))])
  const datasets = await datasetsByHash(edge.knex, [...new Set(all.map(of => of.datasetSha256))])
  const boards = all.flatMap(of => {
    const kernel = kernels.find(row => row.moduleSha256 === of.kernelSha256)
    const dataset = datasets.find(row => row.sha256 === of.datasetSha256)
    return kernel === undefined || dataset === undefined ? [] : [{ ...of, id: idOf(of), kernel, dataset }]
  })
  const key = ({ kernel, dataset, engineClass, limit }: Board): string =>
    [
      nameOf(kernel),
      nameOf(dataset),
      engineClass,
      String('fuel' in limit ? limit.fuel : limit.updates).padStart(16, '0'),
    ].join(' ')
  return boards.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

const idOf = (of: Comparable): BoardId => BoardId.parse(sha256Of(canonicalJson(of)).slice(0, 16))

async function viewBoard(edge: Edge, board: Board, count: number): Promise<ScienceBoard> {
  const { metric } = board.kernel.manifest
  const { ranked, lookedAt, complete, withheld } = await rank(edge, board, count)
  const shown = shownRows(ranked, edge.trust.rules.leaderRows)
  const top = shown.slice(0, count).map((row, i) => viewRow(row, i + 1))
  const unchanged = await unchangedOf(edge, board, withheld)
  const known = new Set(top.map(row => row.found.experimentId))
  const below = unchanged.map(row => viewRow(row, null)).filter(row => !known.has(row.found.experimentId))
  const { dataset } = board
  return {
    ...{ id: board.id, kernel: nameOf(board.kernel), moduleSha256: board.kernelSha256 },
    ...{
      data: nameOf(dataset),
      dataSha256: board.datasetSha256,
      limit: board.limit,
      engineClass: board.engineClass,
    },
    metric,
    rows: [...top, ...below.slice(0, UNCHANGED_SHOWN)],
    waiting: ranked.length - shown.length + new Set(withheld).size,
    baselines: baselinesFor(metric.name, dataset, await readCompressor(edge.knex, dataset.sha256)),
    ...{ lookedAt, complete },
  }
}

const viewRow = (row: ScienceRow, place: number | null): ScienceBoard['rows'][number] => ({
  ...{
    place,
    recipe: row.recipe,
    baseline: row.baseline,
    n: row.n,
    mean: row.mean,
    ci95: ci95(row.n, row.sd),
  },
  ...{
    diverged: row.diverged,
    rerun: row.unverified === 0,
    campaigns: row.campaigns.length,
    resultId: row.resultId,
  },
  found: {
    ...{ at: toWire(row.at), campaignId: row.campaignId, title: row.title, experimentId: row.experimentId },
    ...{ owner: row.owner, proposer: row.proposer },
  },
})

// Most boards are ranked by their best few hundred runs; many seeds that differ much take more.
const LOOK_FIRST = 1_000
const LOOK_GROWTH = 4

/**
 * The best configurations. A mean is never better than its best run: once as many as are wanted have a mean within the runs
 * looked at, whatever was not looked at ranks below them.
 */
async function rank(edge: Edge, board: Board, count: number) {
  const limit = Math.min(count, SCIENCE_ROWS_MAX) + ROWS_SPARE
  for (let look = LOOK_FIRST; ; look *= LOOK_GROWTH) {
    const { rows, withheld } = await rankUnwithheld(edge, board, { look, limit, baselines: false })
    const [first] = rows
    const sign = board.kernel.manifest.metric.goal === 'minimize' ? 1 : -1
    const sure = rows.filter(row => row.diverged === 0 && row.mean * sign <= row.worst * sign)
    const all = first === undefined || first.lookedAt < look
    if (all || sure.length >= limit || look * LOOK_GROWTH > SCIENCE_RUNS_MAX)
      return { ranked: rows, withheld, lookedAt: first?.lookedAt ?? 0, complete: all || sure.length >= count }
  }
}

// A few more than are shown, in the place of rows that wait for the verifier.
const ROWS_SPARE = 20
const UNCHANGED_SHOWN = 3

const unchangedOf = async (
  edge: Edge,
  board: Board,
  withheld: readonly ExperimentId[],
): Promise<ScienceRow[]> =>
  (await rankUnwithheld(edge, board, { look: 1, limit: UNCHANGED_SHOWN, baselines: true, known: withheld }))
    .rows

interface Asked {
  readonly look: number
  readonly limit: number
  readonly baselines: boolean
  readonly known?: readonly ExperimentId[]
}

/** Ranked rows without what leads its campaign unseen, of which the list is given as well: only rows that no verifier has seen can. */
async function rankUnwithheld(edge: Edge, of: Board, { known = [], ...ranking }: Asked) {
  const { name: metric, goal } = of.kernel.manifest.metric
  const asked = new Set<CampaignId>()
  for (let withheld = [...known]; ; ) {
    const rows = await rankComparable(edge.knex, { ...ranking, of, metric, goal, withheld })
    const doubtful = rows.filter(row => row.unverified > 0).flatMap(row => row.campaigns)
    const campaigns = [...new Set(doubtful)].filter(id => !asked.has(id))
    for (const id of campaigns) asked.add(id)
    // All that a campaign withholds at once: with the few of these rows alone, one without a verifier would be asked for ever.
    const hidden = await withheldAmong(edge.knex, campaigns, edge.trust.rules)
    if (hidden.length === 0) return { rows, withheld }
    withheld = [...withheld, ...hidden]
  }
}
