import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { heldAccount, userAccount } from '#domain/ledger.ts'
import type { CampaignList, MeView, ServerView } from '#protocol/campaign.ts'
import { ANALYSIS_POINTS_MAX, PAGE_ROWS_MAX } from '#protocol/limits.ts'
import type { DatasetList, KernelList, WorkUnitList } from '#protocol/lists.ts'
import { CampaignId, toWire, Versioned, WorkUnitId } from '#protocol/units.ts'
import { listCampaigns } from '#store/campaigns.ts'
import { datasetsByHash, findDataset, listDatasets } from '#store/datasets.ts'
import { openDebts } from '#store/debts.ts'
import { listKernels, signedRelease } from '#store/kernels.ts'
import { findKey } from '#store/keys.ts'
import { balancesOf } from '#store/ledger.ts'
import { rebuiltReleases } from '#store/proposals.ts'
import { lastEntries, pendingOfUser, reservedOf } from '#store/receipts.ts'
import { listSigningKeys, viewSigningKeys } from '#store/signing-keys.ts'
import { hostsOf, listWorkUnits } from '#store/views.ts'
import { webhooksOf } from '#store/webhooks.ts'
import { callerOf, hasScope, keyIdOf } from './auth.ts'
import { viewCampaign, viewLeaderboard } from './campaign-view.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { viewKey } from './keys.ts'
import { entryOf } from './ledger.ts'
import { parse, Refused } from './problem.ts'
import { disabledNotice } from './webhooks.ts'

/** GET /server */
export function showServer(edge: Edge): RequestHandler {
  return async (_req, res) => {
    const kernels = await listKernels(edge.knex)
    const datasets = await listDatasets(edge.knex)
    const view: ServerView = {
      serverId: edge.serverId,
      version: edge.version,
      serverNow: toWire(edge.now()),
      kernelKeys: [...(await edge.kernelKeys())],
      kernels: kernels.map(({ name, version, moduleSha256, releaseSha256 }) => ({
        ...{ name, version, moduleSha256, releaseSha256 },
      })),
      datasets: datasets.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
    }
    res.json(view)
  }
}

/** GET /signing-keys: every key by which the operator ever signed, and the word of each for the next. */
export function showSigningKeys(edge: Edge): RequestHandler {
  return async (_req, res) => {
    res.json(viewSigningKeys(await listSigningKeys(edge.knex)))
  }
}

/** GET /kernels */
export function showKernels(edge: Edge): RequestHandler {
  return async (_req, res) => {
    const [kernels, rebuilt] = await Promise.all([listKernels(edge.knex), rebuiltReleases(edge.knex)])
    const view: KernelList = {
      kernels: kernels.map(kernel => ({
        ...{ manifest: kernel.manifest, release: signedRelease(kernel) },
        rebuilt: rebuilt.get(kernel.releaseSha256) ?? null,
        deprecated: kernel.deprecatedAt !== null,
      })),
    }
    res.json(view)
  }
}

/** GET /datasets */
export function showDatasets(edge: Edge): RequestHandler {
  return async (_req, res) => {
    const view: DatasetList = { datasets: await listDatasets(edge.knex) }
    res.json(view)
  }
}

/** GET /datasets/:name, where the name is name@version. */
export function showDataset(edge: Edge): RequestHandler {
  return async (req, res) => {
    const name = parse(Versioned, req.params.name, 'not_found')
    const manifest = await findDataset(edge.knex, name)
    if (manifest === undefined) throw new Refused('not_found', `data set ${name}`)
    res.json(manifest)
  }
}

const ROWS_DEFAULT = 100
const limit = z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(ROWS_DEFAULT)
const CampaignPage = z.strictObject({ limit, after: CampaignId.optional() })
const WorkUnitPage = z.strictObject({ limit, after: WorkUnitId.optional() })

/** GET /campaigns?after=&limit= */
export function showCampaigns(edge: Edge): RequestHandler {
  return async (req, res) => {
    const page = parse(CampaignPage, req.query)
    const rows = await listCampaigns(edge.knex, { before: page.after, limit: page.limit })
    const view: CampaignList = {
      campaigns: rows.map(row => ({
        ...{ id: row.id, title: row.title, state: row.state, kernel: row.file.kernel, data: row.file.data },
        createdAt: toWire(row.createdAt),
        experiments: { planned: row.experimentsPlanned, created: row.experimentsCreated },
      })),
      nextAfter: rows.length < page.limit ? null : (rows.at(-1)?.id ?? null),
    }
    res.json(view)
  }
}

/** GET /campaigns/:id */
export function showCampaign(edge: Edge): RequestHandler {
  return async (req, res) =>
    void res.json(await viewCampaign(edge.knex, await campaignOf(edge, req), edge.trust.rules))
}

// As many as a plot of all has points; without it the first page.
const BoardQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(ANALYSIS_POINTS_MAX).optional(),
})

/** GET /campaigns/:id/leaderboard?limit= */
export function showLeaderboard(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit: most } = parse(BoardQuery, req.query)
    const campaign = await campaignOf(edge, req)
    const [dataset] = await datasetsByHash(edge.knex, [campaign.datasetSha256])
    if (dataset === undefined) throw new Error('the data set of a campaign is stored')
    res.json(await viewLeaderboard(edge.knex, campaign, dataset, { ...edge.trust.rules, limit: most }))
  }
}

/** GET /campaigns/:id/work-units?after=&limit= */
export function showWorkUnits(edge: Edge): RequestHandler {
  return async (req, res) => {
    const page = parse(WorkUnitPage, req.query)
    const { id } = await campaignOf(edge, req)
    const rows = await listWorkUnits(edge.knex, {
      campaignId: id,
      after: page.after ?? '',
      limit: page.limit,
    })
    const last = rows.length < page.limit ? null : (rows.at(-1)?.id ?? null)
    const view: WorkUnitList = { workUnits: rows, nextAfter: last }
    res.json(view)
  }
}

const ENTRIES_SHOWN = 20

/** GET /me */
export function showMe(edge: Edge): RequestHandler {
  return async (req: Request, res) => {
    const bearer = await callerOf(edge, req)
    const { userId, userName, roles } = bearer
    const keyId = keyIdOf(bearer)
    const key = keyId === null ? undefined : await findKey(edge.knex, keyId)
    const account = userAccount(userId)
    const held = heldAccount(account)
    const balances = await balancesOf(edge.knex, [account, held])
    const hosts = await hostsOf(edge.knex, userId)
    const entries = await lastEntries(edge.knex, { accounts: [account, held], limit: ENTRIES_SHOWN })
    const view: MeView = {
      userId,
      name: userName,
      roles,
      key: key === undefined ? null : viewKey(key),
      balanceMilli: balances.get(account) ?? 0,
      reservedMilli: await reservedOf(edge.knex, userId),
      heldMilli: balances.get(held) ?? 0,
      pendingMilli: await pendingOfUser(edge.knex, userId),
      owedMilli: (await openDebts(edge.knex, [account])).reduce((sum, debt) => sum + debt.amountMilli, 0),
      hosts: hosts.map(host => ({ ...host, lastSeenAt: toWire(host.lastSeenAt) })),
      // They name addresses, which may be secret: for who may read the webhooks themselves.
      notices: hasScope(bearer, 'campaign')
        ? (await webhooksOf(edge.knex, userId)).flatMap(disabledNotice)
        : [],
      entries: entries.map(entryOf),
    }
    res.json(view)
  }
}
