import type { RequestHandler } from 'express'
import {
  type CorpusList,
  CorpusQuery,
  type CorpusView,
  SimilarQuery,
  type SimilarView,
} from '#protocol/corpus.ts'
import { Recipe } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { SIMILAR_RECIPES_MAX } from '#protocol/limits.ts'
import { fromWire, type Sha256, toWire, WorkUnitId } from '#protocol/units.ts'
import {
  type CorpusFilter,
  campaignsTrying,
  type KnownRow,
  listCorpus,
  readKnown,
  readPublished,
  readTried,
} from '#store/corpus-list.ts'
import { findDataset } from '#store/datasets.ts'
import { findKernel, type KernelRow } from '#store/kernels.ts'
import { withheldAmong } from '#store/withheld.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** GET /corpus: what is public of everybody's runs, without what would lead and no verifier has seen. */
export function showCorpus(edge: Edge): RequestHandler {
  return async (req, res) => {
    const query = parse(CorpusQuery, req.query)
    const { limit, after = null } = query
    const rows = await listCorpus(edge.knex, await filterOf(edge, query), { after, limit })
    const campaigns = [...new Set(rows.map(row => row.campaignId))]
    const withheld = new Set(await withheldAmong(edge.knex, campaigns, edge.trust.rules))
    const view: CorpusList = {
      runs: rows.filter(row => !withheld.has(row.experimentId)),
      nextAfter: rows.length < limit ? null : (rows.at(-1)?.workUnitId ?? null),
    }
    res.json(view)
  }
}

async function filterOf(edge: Edge, query: CorpusQuery): Promise<CorpusFilter> {
  const { kernel, data, campaign = null, status = null, rung = null, since } = query
  return {
    kernel: kernel === undefined ? null : (await kernelOf(edge, kernel)).moduleSha256,
    data: data === undefined ? null : await dataOf(edge, data),
    ...{ campaign, status, rung },
    since: since === undefined ? null : fromWire(since),
    ...{ metricMin: query.metric_min ?? null, metricMax: query.metric_max ?? null },
  }
}

async function kernelOf(edge: Edge, name: string): Promise<KernelRow> {
  const kernel = await findKernel(edge.knex, name)
  if (kernel === undefined) throw new Refused('kernel_unknown', `kernel: ${name}`)
  return kernel
}

async function dataOf(edge: Edge, name: string): Promise<Sha256> {
  const dataset = await findDataset(edge.knex, name)
  if (dataset === undefined) throw new Refused('data_unknown', `data: ${name}`)
  return dataset.sha256
}

/** GET /corpus/:id */
export function showRun(edge: Edge): RequestHandler {
  return async (req, res) => {
    const id = parse(WorkUnitId, req.params.id, 'not_found')
    const rows = await readPublished(edge.knex, id)
    if (rows.length === 0) throw new Refused('not_found', `run ${id}`)
    const view: CorpusView = {
      run: null,
      retracted: rows.flatMap(({ revision, digest, status, metricValue, publishedAt, retractedAt }) =>
        retractedAt === null
          ? []
          : [{ revision, digest, status, metricValue, publishedAt, retractedAt: toWire(retractedAt) }],
      ),
    }
    const standing = rows.find(row => row.retractedAt === null)
    if (standing === undefined) return void res.json(view)
    const { revision: _, retractedAt: __, ...run } = standing
    res.json({ ...view, run } satisfies CorpusView)
  }
}

/** GET /corpus/similar: the recipes nearest to one that somebody thinks of, and what they gave. */
export function showSimilar(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { kernel: name, data: dataName, recipe: text, limit } = parse(SimilarQuery, req.query)
    const kernel = await kernelOf(edge, name)
    const among = {
      kernel: kernel.moduleSha256,
      data: dataName === undefined ? null : await dataOf(edge, dataName),
    }
    const recipe = recipeOf(kernel, text)
    const tried = await readTried(edge.knex, among, SIMILAR_RECIPES_MAX)
    const { novelty, neighbours } = edge.planner.similar(kernel.manifest, recipe, {
      tried: tried.map(row => row.recipe),
      count: limit,
    })
    const near = neighbours.flatMap(({ index, distance }) => {
      const row = tried[index]
      return row === undefined ? [] : [{ ...row, distance }]
    })
    const known = await knownOf(
      edge,
      among,
      near.map(row => row.sha256),
    )
    const view: SimilarView = {
      ...{ kernel: name, recipe, novelty, lookedAt: tried.length },
      neighbours: near.map(row => ({
        ...{ distance: row.distance, recipe: row.recipe, differs: differences(recipe, row.recipe) },
        runs: known
          .filter(({ recipeSha256 }) => recipeSha256 === row.sha256)
          .map(({ recipeSha256: _, ...runs }) => runs),
      })),
    }
    res.json(view)
  }
}

function recipeOf({ manifest }: KernelRow, text: string): Recipe {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    throw new Refused('bad_request', 'recipe: not JSON')
  }
  const reply = canonicalRecipe(manifest, parse(Recipe, given))
  if (!reply.ok) throw new Refused('recipe_invalid', `recipe: ${reply.reason}`)
  return reply.recipe
}

async function knownOf(
  edge: Edge,
  among: { kernel: Sha256; data: Sha256 | null },
  recipes: readonly Sha256[],
): Promise<KnownRow[]> {
  if (recipes.length === 0) return []
  const campaigns = await campaignsTrying(edge.knex, { ...among, recipes })
  const withheld = await withheldAmong(edge.knex, campaigns, edge.trust.rules)
  return readKnown(edge.knex, { ...among, recipes, withheld })
}

const differences = (a: Recipe, b: Recipe): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(name => a[name] !== b[name]).sort()
