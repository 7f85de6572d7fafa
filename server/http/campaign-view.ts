import { escrowAccount } from '#domain/ledger.ts'
import { shownRows } from '#domain/records.ts'
import { ci95 } from '#domain/statistics.ts'
import type { TrustRules } from '#domain/trust.ts'
import { enginesOf } from '#protocol/budget.ts'
import type { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import type { DatasetManifest } from '#protocol/dataset.ts'
import { isExact } from '#protocol/engine.ts'
import { PAGE_ROWS_MAX } from '#protocol/limits.ts'
import { toWire } from '#protocol/units.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import { readCompressor } from '#store/datasets.ts'
import { kernelsByHash } from '#store/kernels.ts'
import { balancesOf } from '#store/ledger.ts'
import type { Executor } from '#store/rows.ts'
import { countCampaign, type LeaderRow, readLeaders, type Tally } from '#store/views.ts'

// The best is the first of these that is verified: all before it wait for the verifier, who has them done within hours.
const BEST_AMONG = 100

/** A campaign with everything that may be counted about it. */
export async function viewCampaign(
  on: Executor,
  campaign: CampaignRow,
  { leaderRows }: Pick<TrustRules, 'leaderRows'>,
): Promise<CampaignView> {
  const { id, file } = campaign
  const { workUnits, failures, results, moved } = await countCampaign(on, id)
  const limit = BEST_AMONG
  const [leader] = shownRows(
    await readLeaders(on, { campaignId: id, goal: file.metric.goal, limit }),
    leaderRows,
  )
  const escrow = escrowAccount(id)
  return {
    id,
    ownerId: campaign.ownerId,
    title: file.title,
    question: file.question ?? null,
    state: campaign.state,
    end: campaign.endedBy === null ? null : { by: campaign.endedBy, reason: campaign.endedReason },
    revision: campaign.revision,
    derivedFrom: file.derived_from ?? null,
    kernel: file.kernel,
    data: file.data,
    metric: file.metric,
    calm: await calmOf(on, campaign),
    createdAt: toWire(campaign.createdAt),
    endedAt: campaign.endedAt === null ? null : toWire(campaign.endedAt),
    experiments: { planned: campaign.experimentsPlanned, created: campaign.experimentsCreated },
    varies: Object.keys(file.space).sort(),
    workUnits: {
      ...{ open: count(workUnits, 'open'), valid: count(workUnits, 'valid') },
      ...{ failed: count(workUnits, 'failed'), cancelled: count(workUnits, 'cancelled') },
      provisional: count(workUnits, 'provisional'),
    },
    results: resultCounts(results),
    failures: Object.fromEntries(failures),
    credit: {
      reservedMilli: campaign.reservedMilli,
      overrunMilli: count(moved, 'overrun'),
      returnedMilli: count(moved, 'forfeit') + count(moved, 'repay'),
      grantedMilli: count(moved, 'grant'),
      refundedMilli: count(moved, 'refund'),
      balanceMilli: (await balancesOf(on, [escrow])).get(escrow) ?? 0,
    },
    best: bestOf(leader),
    links: { program: `/api/v1/campaigns/${id}/program.md`, llms: `/api/v1/campaigns/${id}/llms.txt` },
  }
}

/** What the kernel asks of recipes for classes with a tolerance, as a sentence. */
async function calmOf(on: Executor, { file, kernelSha256 }: CampaignRow): Promise<string | null> {
  if (enginesOf(file).every(isExact)) return null
  const [kernel] = await kernelsByHash(on, [kernelSha256])
  const rules = kernel?.manifest.native?.calm ?? []
  return rules.length === 0 ? null : rules.map(({ because }) => because).join('; ')
}

const count = (tally: Tally, name: string): number => tally.get(name) ?? 0

const resultCounts = (results: Tally): CampaignView['results'] => ({
  unsent: count(results, 'unsent'),
  inProgress: count(results, 'in_progress'),
  pending: count(results, 'pending'),
  valid: count(results, 'valid'),
  invalid: count(results, 'invalid'),
  inconclusive: count(results, 'inconclusive'),
  error: count(results, 'error'),
  noReply: count(results, 'no_reply'),
  notNeeded: count(results, 'not_needed'),
  cancelled: count(results, 'cancelled'),
})

function bestOf(leader: LeaderRow | undefined): CampaignView['best'] {
  if (leader === undefined || leader.mean === null) return null
  const { experimentId, mean, n, sd, recipe } = leader
  return { experimentId, mean, n, ci95: ci95(n, sd), recipe }
}

/** The experiments of a campaign, best first, and what models that only count, and a compressor, reach on the same data. */
export async function viewLeaderboard(
  on: Executor,
  campaign: CampaignRow,
  dataset: DatasetManifest,
  {
    leaderRows,
    limit = PAGE_ROWS_MAX,
  }: Pick<TrustRules, 'leaderRows'> & { readonly limit?: number | undefined },
): Promise<Leaderboard> {
  const { metric } = campaign.file
  const leaders = await readLeaders(on, { campaignId: campaign.id, goal: metric.goal, limit })
  const shown = shownRows(leaders, leaderRows)
  return {
    metric,
    rows: shown.map(({ sd, unverified: _, ...row }) => ({ ...row, ci95: ci95(row.n, sd) })),
    waiting: leaders.length - shown.length,
    baselines: baselinesFor(metric.name, dataset, await readCompressor(on, dataset.sha256)),
  }
}

/** What models that only count, and a compressor, reach: bits per byte or per label of val, compared with no other metric. */
export function baselinesFor(
  metric: string,
  { baselines }: DatasetManifest,
  compressor: number | null,
): Leaderboard['baselines'] {
  if (metric === 'val_bpb' && baselines !== null && 'unigram' in baselines)
    return [
      { name: 'unigram', value: baselines.unigram },
      ...baselines.wittenBell.map((value, i) => ({ name: `order${i + 1}`, value })),
      ...(compressor === null ? [] : [{ name: 'zstd', value: compressor }]),
    ]
  if (metric === 'val_bits' && baselines !== null && 'frequencies' in baselines)
    return [{ name: 'class frequencies', value: baselines.frequencies }]
  return []
}
