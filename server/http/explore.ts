import type { RequestHandler } from 'express'
import { ExploreQuery, type ExploreView } from '#protocol/explore.ts'
import { OWN_FIELDS } from '#protocol/explore-words.ts'
import { EXPLORE_GROUPS_MAX, EXPLORE_MS_MAX, EXPLORE_ROWS_MAX } from '#protocol/limits.ts'
import { campaignsUsing } from '#store/corpus-rows.ts'
import { inSnapshot, type Trx } from '#store/database.ts'
import { findDataset } from '#store/datasets.ts'
import { isCutOff } from '#store/errors.ts'
import { countRuns, type ExploreScope, groupRuns, limitTime, sliceRuns } from '#store/explore.ts'
import { findKernel, type KernelRow } from '#store/kernels.ts'
import { withheldAmong } from '#store/withheld.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/**
 * GET /corpus/explore: what is final of everybody's runs of a kernel, as rows or in groups, without what would lead and no verifier has
 * seen. The newest EXPLORE_ROWS_MAX are looked at, for EXPLORE_MS_MAX.
 */
export function explore(edge: Edge): RequestHandler {
  return async (req, res) => {
    const query = parse(ExploreQuery, req.query)
    const kernel = await findKernel(edge.knex, query.kernel)
    if (kernel === undefined) throw new Refused('kernel_unknown', `kernel: ${query.kernel}`)
    const dataset = query.data === undefined ? null : await findDataset(edge.knex, query.data)
    if (dataset === undefined) throw new Refused('data_unknown', `data: ${query.data}`)
    try {
      const view = await inSnapshot(edge.knex, async trx => {
        await limitTime(trx, EXPLORE_MS_MAX)
        return viewOf(edge, trx, { query, kernel, data: dataset?.sha256 ?? null })
      })
      res.json(view)
    } catch (error) {
      if (!isCutOff(error)) throw error
      throw new Refused('query_too_slow', `it took more than ${EXPLORE_MS_MAX / 1000} s`)
    }
  }
}

interface Asked {
  readonly query: ExploreQuery
  readonly kernel: KernelRow
  readonly data: ExploreScope['data']
}

async function viewOf(edge: Edge, trx: Trx, { query, kernel, data }: Asked): Promise<ExploreView> {
  const { campaign = null, status = null, rung, where, group, limit, after = null } = query
  const ids = campaign === null ? await campaignsUsing(trx, kernel.moduleSha256) : [campaign]
  const withheld = await withheldAmong(trx, ids, edge.trust.rules)
  const scope = { kernel: kernel.moduleSha256, data, campaign, status, rung, conditions: where, withheld }
  const matched = await countRuns(trx, scope, EXPLORE_ROWS_MAX)
  const { metric, recipe } = kernel.manifest
  const head = {
    ...{ kernel: query.kernel, metric: { name: metric.name, goal: metric.goal } },
    ...{ fields: [...Object.keys(recipe.properties), ...OWN_FIELDS] },
    ...{ matched, truncated: matched === EXPLORE_ROWS_MAX },
  }
  if (group.length > 0) {
    const most = { groups: group, look: EXPLORE_ROWS_MAX, limit: EXPLORE_GROUPS_MAX }
    return { ...head, groups: await groupRuns(trx, scope, most), runs: null, nextAfter: null }
  }
  const runs = await sliceRuns(trx, scope, { after, limit })
  const nextAfter = runs.length < limit ? null : (runs.at(-1)?.workUnitId ?? null)
  return { ...head, groups: null, runs, nextAfter }
}
