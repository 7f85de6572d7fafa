import { z } from 'zod'
import {
  CampaignList,
  CampaignView,
  Leaderboard,
  MeView,
  ServerView,
  ValidateReply,
} from '#protocol/campaign.ts'
import { ExploreView } from '#protocol/explore.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { DatasetList, KernelList } from '#protocol/lists.ts'
import { NoteList } from '#protocol/notes.ts'
import { problem } from '#protocol/problem.ts'
import { ScienceList } from '#protocol/science.ts'
import { SearchView } from '#protocol/search.ts'
import { CompareView, TestList } from '#protocol/tests.ts'
import { ExperimentId, Versioned } from '#protocol/units.ts'
import { type Api, ApiRefusal } from './api.ts'
import { fitted } from './fence.ts'
import { campaignId, detail, READS, type Tool, tool } from './tool.ts'

const pathOf = (id: string): string => `/campaigns/${id}`
const get = (path: string) => ({ method: 'GET', path }) as const
const LISTED = 10
const limit = z.int().min(1).max(100).default(LISTED)
const file = z
  .record(z.string(), z.unknown())
  .describe(
    'the campaign as JSON: title, kernel, data, metric {name, goal}, budget {fuel_per_run, runs, credits}, space {NAME: {log|float|int: [a, b]} or {choice: […]}}, sampler {name}, replicate {quorum, seeds}; schema CampaignFile in /api/v1/openapi.json',
  )

const server = tool({
  name: 'xee_server',
  description:
    'What this server offers: kernels (training programs) with their parameters, data sets, and what your key may still spend. Start here.',
  hints: READS,
  input: { kernel: Versioned.optional().describe('name@version: its parameters in full'), detail },
  run: async (api, { kernel: asked, detail }) => {
    const { version, serverNow } = await api.ask(ServerView, get('/server'))
    const { kernels } = await api.ask(KernelList, get('/kernels'))
    const { datasets } = await api.ask(DatasetList, get('/datasets'))
    const chosen = kernels
      .map(({ manifest }) => manifest)
      .filter(k => asked === undefined || asked === nameOf(k))
    return fitted({ rows: Math.max(1, chosen.length), detail }, async rows => ({
      ...{ version, serverNow, account: await account(api) },
      kernels: chosen.slice(0, rows).map(manifest => kernelOf(manifest, asked !== undefined)),
      ...(rows < chosen.length ? { more: chosen.slice(rows).map(nameOf) } : {}),
      datasets: datasets.map(({ name, version: v }) => `${name}@${v}`),
    }))
  },
})

const nameOf = ({ name, version }: KernelManifest): string => `${name}@${version}`

const kernelOf = (manifest: KernelManifest, whole: boolean) => ({
  kernel: nameOf(manifest),
  engine: manifest.engine,
  metric: manifest.metric,
  parameters: whole
    ? { untrusted: manifest.recipe.properties }
    : Object.keys(manifest.recipe.properties).join(' '),
  untrusted: { title: manifest.title },
})

/** Null without a token: reading needs none. */
async function account(api: Api) {
  if (!api.hasToken) return null
  const { balanceMilli, key, notices } = await api.ask(MeView, get('/me'))
  const budget = key === null ? null : { remainingMilli: key.remainingMilli, scopes: key.scopes }
  return { balanceMilli, key: budget, untrusted: { notices } } // they quote what receivers answered
}

const validate = tool({
  name: 'xee_validate',
  description:
    'Check a campaign and price it: size of its space, quote, hosts that could compute it, its first recipes. Changes nothing.',
  hints: READS,
  input: { campaign: file },
  run: async (api, { campaign }) => fitted({ rows: 5, detail: 'summary' }, await quoted(api, campaign)),
})

/** What a campaign would cost, and whether the caller could pay it. */
async function quoted(api: Api, campaign: Record<string, unknown>) {
  const asked = { method: 'POST', path: '/campaigns/validate', body: campaign } as const
  const { firstRuns, quote, spaceSize, hostsMatching } = await api.ask(ValidateReply, asked)
  const who = await account(api)
  const purse = Math.min(who?.balanceMilli ?? 0, who?.key?.remainingMilli ?? Number.POSITIVE_INFINITY)
  return (rows: number) => ({
    ...{ valid: true, affordable: purse >= quote.reserveMilli, quote, spaceSize, hostsMatching },
    firstRecipes: firstRuns.slice(0, rows).map(({ recipe }) => recipe),
  })
}

const status = tool({
  name: 'xee_status',
  description: 'Where a campaign stands: progress, credit, best so far. Without an id: the newest campaigns.',
  hints: READS,
  input: {
    ...{ campaign_id: campaignId.optional(), detail },
    cursor: z.string().optional().describe('of the list: nextCursor of the page before'),
  },
  run: async (api, { campaign_id: id, detail, cursor }) => {
    if (id === undefined) return campaigns(api, cursor)
    const view = await api.ask(CampaignView, get(pathOf(id)))
    const { title, question, results, failures, ...rest } = view
    const more = detail === 'full' ? { results, failures } : {}
    return fitted({ rows: 1, detail }, () => ({ ...rest, ...more, untrusted: { title, question } }))
  },
})

const campaigns = (api: Api, cursor: string | undefined): Promise<string> =>
  fitted({ rows: LISTED, detail: 'summary' }, async rows => {
    const query = new URLSearchParams({
      limit: String(rows),
      ...(cursor === undefined ? {} : { after: cursor }),
    })
    const page = await api.ask(CampaignList, get(`/campaigns?${query}`))
    return {
      campaigns: page.campaigns.map(({ title, ...row }) => ({ ...row, untrusted: { title } })),
      nextCursor: page.nextAfter,
    }
  })

const search = tool({
  name: 'xee_search',
  description:
    'What the sampler of a campaign knows: best recipes, what was covered of each parameter, what mattered (PED-ANOVA), what is pending and what failed. Read it before you propose.',
  hints: READS,
  input: { campaign_id: campaignId, limit: z.int().min(1).max(100).optional() },
  run: (api, { campaign_id: id, limit = 8 }) =>
    fitted({ rows: limit, detail: 'summary' }, rows =>
      api.ask(SearchView, get(`${pathOf(id)}/search?limit=${rows}`)),
    ),
})

const results = tool({
  name: 'xee_results',
  description:
    'The leaderboard of a campaign, or with kernel that of all campaigns: best first with mean, 95 % confidence half-width and n, and the baselines. Rows that wait for verification are left out and counted.',
  hints: READS,
  input: {
    ...{ campaign_id: campaignId.optional(), limit, detail },
    kernel: Versioned.optional().describe('instead of campaign_id'),
    where: z
      .string()
      .max(1_000)
      .optional()
      .describe('with kernel: only runs that fit, such as lr>0.001 width=64'),
    group: z
      .string()
      .max(200)
      .optional()
      .describe('with kernel: median, mean and n by fields, such as lr:log8,depth'),
    cursor: z.int().min(0).default(0).describe('nextCursor of the page before'),
  },
  run: async (api, { campaign_id: id, kernel, where, group, limit, cursor, detail }) => {
    if (kernel !== undefined && (where ?? group) !== undefined)
      return explored(api, { kernel, where, group }, { limit, detail })
    if (id === undefined) return science(api, kernel, { limit, detail })
    const { rows: all, ...board } = await api.ask(Leaderboard, get(`${pathOf(id)}/leaderboard`))
    return fitted({ rows: limit, detail }, rows => ({
      ...board,
      rows: all.slice(cursor, cursor + rows).map((row, i) => ({ rank: cursor + i + 1, ...row })),
      nextCursor: cursor + rows < all.length ? cursor + rows : null,
    }))
  },
})

/** The board of a kernel with the most rows that fit; names and titles are strangers'. */
const science = (
  api: Api,
  kernel: string | undefined,
  { limit, detail }: Omit<Page, 'id' | 'cursor'>,
): Promise<string> => {
  if (kernel === undefined) throw new ApiRefusal(problem('bad_request', 'name a campaign_id or a kernel'))
  return fitted({ rows: limit, detail }, async rows => {
    const asked = new URLSearchParams({ kernel, rows: String(rows), limit: '3' })
    const { boards } = await api.ask(ScienceList, get(`/science?${asked}`))
    return {
      boards: boards.map(({ rows: shown, ...board }) => ({
        ...board,
        rows: shown.map(({ found: { title, owner, proposer, ...found }, ...row }) => ({
          ...{ ...row, found, untrusted: { title, owner, proposer } },
        })),
      })),
    }
  })
}

/** Runs that fit, or groups of them. Values of a recipe may be a stranger's words. */
const explored = (
  api: Api,
  {
    kernel,
    where = '',
    group = '',
  }: { kernel: string; where: string | undefined; group: string | undefined },
  { limit, detail }: Omit<Page, 'id' | 'cursor'>,
): Promise<string> =>
  fitted({ rows: limit, detail }, async rows => {
    const asked = new URLSearchParams({ kernel, where, group, limit: String(rows) })
    const {
      groups,
      runs,
      fields: _,
      nextAfter: __,
      ...head
    } = await api.ask(ExploreView, get(`/corpus/explore?${asked}`))
    return { ...head, untrusted: { groups: groups?.slice(0, rows), runs } }
  })

const compare = tool({
  name: 'xee_compare',
  description:
    'Two experiments of a campaign on the seeds that both have: mean difference a − b with its confidence interval, and a verdict.',
  hints: READS,
  input: { campaign_id: campaignId, a: ExperimentId, b: ExperimentId },
  run: (api, { campaign_id: id, a, b }) =>
    fitted({ rows: 1, detail: 'full' }, () =>
      api.ask(CompareView, get(`${pathOf(id)}/compare?${new URLSearchParams({ a, b })}`)),
    ),
})

const report = tool({
  name: 'xee_report',
  description:
    'A campaign as one page: question, rules, budget left, best with interval and n, sequential tests, what the sampler saw. Or its notes, or its written report (question to caveats, with the commands that reproduce each number), page by page.',
  hints: READS,
  input: {
    campaign_id: campaignId,
    section: z.enum(['program', 'tests', 'notes', 'report']).default('program'),
    ...{ limit, detail },
    cursor: z.string().optional().describe('of notes and report: nextCursor of the page before'),
  },
  run: async (api, { campaign_id: id, section, limit, cursor, detail }) => {
    if (section === 'notes') return notes(api, { id, limit, cursor, detail })
    if (section === 'report') return writtenReport(api, { id, cursor, detail })
    if (section === 'program') {
      const untrusted = await api.text(get(`${pathOf(id)}/program.md`))
      return fitted({ rows: 1, detail }, () => ({ format: 'markdown', untrusted }))
    }
    const { tests, ...rest } = await api.ask(TestList, get(`${pathOf(id)}/tests`))
    return fitted({ rows: limit, detail }, rows => ({ ...rest, newest: tests.toReversed().slice(0, rows) }))
  },
})

/** As many sections of the report, from the one that the cursor names, as fit. */
async function writtenReport(api: Api, { id, cursor, detail }: Omit<Page, 'limit'>): Promise<string> {
  const markdown = await api.text(get(`${pathOf(id)}/report/report.md`))
  const sections = markdown.split(/^(?=## )/m)
  const from = Number(cursor ?? 0)
  if (!Number.isSafeInteger(from) || from < 0)
    throw new ApiRefusal(problem('bad_request', 'cursor: a nextCursor'))
  return fitted({ rows: Math.max(1, sections.length - from), detail }, rows => ({
    format: 'markdown',
    untrusted: sections.slice(from, from + rows).join(''),
    nextCursor: from + rows < sections.length ? String(from + rows) : null,
  }))
}

interface Page {
  readonly id: string
  readonly limit: number
  readonly cursor: string | undefined
  readonly detail: 'summary' | 'full'
}

const notes = (api: Api, { id, limit, cursor, detail }: Page): Promise<string> =>
  fitted({ rows: limit, detail }, async rows => {
    const query = new URLSearchParams({
      limit: String(rows),
      ...(cursor === undefined ? {} : { after: cursor }),
    })
    const page = await api.ask(NoteList, get(`${pathOf(id)}/notes?${query}`))
    return {
      notes: page.notes.map(({ text, ...note }) => ({ ...note, untrusted: { text } })),
      nextCursor: page.nextAfter,
    }
  })

/** What only reads. */
export const READ_TOOLS: readonly Tool[] = [server, validate, status, search, results, compare, report]
