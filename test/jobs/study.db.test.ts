import { afterEach, beforeEach, expect, test } from 'vitest'
import { CampaignView, ValidateReply } from '#protocol/campaign.ts'
import { AgreementView } from '#protocol/study.ts'
import { type CampaignId, HostId, type ResultId } from '#protocol/units.ts'
import { readCorpusPage } from '#store/corpus-rows.ts'
import { inTransaction } from '#store/database.ts'
import { addUser, sha256 } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  FUEL,
  type Lifecycle,
  lie,
  report,
  rows,
  runJobs,
  startLifecycle,
  submit,
  take,
  wait,
} from '#support/lifecycle.ts'
import { startServer, type TestServer } from '#support/server.ts'

let life: Lifecycle
let server: TestServer
beforeEach(async () => {
  life = await startLifecycle()
  server = await startServer({}, { ...life.stock, database: { knex: life.knex } } as never)
})
afterEach(async () => {
  expect(await auditOf(life)).toMatchObject({ sumMilli: 0, differences: [], balanced: true })
  await server.close()
  await life.close()
})

/** A campaign of two runs that two hosts computed, as its export says. */
async function original() {
  const { id } = await submit(life, { runs: 2 })
  const hosts = [await addHost(life), await addHost(life)]
  for (const host of hosts) await report(life, host, await take(life, host, 2))
  const scope = { campaignId: id, from: null, until: null, withheld: [] }
  return { id, hosts, exported: await readCorpusPage(life.knex, { ...scope, after: '', limit: 10 }) }
}

type Row = Awaited<ReturnType<typeof original>>['exported'][number]

const claimOf = ({ resultId, recipe, seed, limit, rung, runKey, status, metricValue, digest }: Row) => ({
  ...{ resultId, recipe, seed, limit, rung, runKey, status, metricValue, digest },
})

const fileOf = (originals: readonly unknown[], more: object = {}) => ({
  ...{ title: 'Does it come out again?', type: 'replicate', kernel: 'tiny@0', data: 'fox@1', space: {} },
  metric: { name: 'val_bpb', goal: 'minimize' },
  budget: { fuel_per_run: FUEL, runs: originals.length, credits: 10 },
  study: { originals, runs: 2 },
  ...more,
})

/** Submitted over HTTP, and begun. */
async function study(originals: readonly unknown[]): Promise<CampaignId> {
  const { token } = await addUser(life.knex, `researcher of ${originals.length}`, { milli: 100_000 })
  const body = fileOf(originals)
  const { quote, firstRuns } = ValidateReply.parse(
    (await server.call('POST', '/api/v1/campaigns/validate', { token, body })).json,
  )
  expect(quote).toMatchObject({ workUnits: originals.length, reserveMilli: originals.length * 22 }) // two results and a tenth
  expect(firstRuns).toHaveLength(originals.length)
  const { json, text } = await server.call('POST', '/api/v1/campaigns', { token, body })
  const view = CampaignView.safeParse(json)
  if (!view.success) throw new Error(text)
  await inTransaction(life.knex, trx => life.wake.campaigns(trx, [view.data.id]))
  await runJobs(life)
  return view.data.id
}

const agreementOf = async (id: CampaignId): Promise<AgreementView> =>
  AgreementView.parse((await server.call('GET', `/api/v1/campaigns/${id}/agreement`)).json)

/** The verifier has seen all of a campaign: only then is anything shown that would lead. */
const seeAll = (id: CampaignId) =>
  life.knex.raw(
    `update results set trusted = true where verdict = 'valid' and work_unit_id in (select id from work_units where campaign_id = ?)`,
    [id],
  )

test('a study computes again what was published, by owners who did not: what is true agrees, a forged line differs', async () => {
  const { hosts, exported } = await original()
  const [first, second] = exported as [Row, Row]
  const forged = { ...claimOf(second), metricValue: 1.5, digest: sha256('better than it was') }
  const id = await study([first.resultId, forged])
  expect(await agreementOf(id)).toMatchObject({ summary: { originals: 2, waiting: 2 } })
  for (const host of hosts) expect(await take(life, host, 2)).toEqual([])
  const others = [await addHost(life), await addHost(life)]
  const taken: ResultId[][] = []
  for (const host of others) taken.push(await take(life, host, 2))
  expect(taken.map(ids => ids.length)).toEqual([2, 2]) // really computed, though the corpus knows the answers
  for (const [i, host] of others.entries()) await report(life, host, taken[i]!)
  expect(await agreementOf(id)).toMatchObject({
    summary: { waiting: 2 },
    rows: [{ classes: [{ found: null }] }, {}],
  })
  await seeAll(id)
  const view = await agreementOf(id)
  const written = await server.call('GET', `/api/v1/campaigns/${id}/report/report.md`)
  expect(written.text).toContain('1 of 2 claims agree, 1 differ, 0 wait')
  expect(written.text).toMatch(/\| differs \| \d of \d \|/)
  expect(view).toMatchObject({
    ...{ runs: 2, summary: { originals: 2, agrees: 1, differs: 1, waiting: 0, failed: 0 } },
    rows: [
      {
        ...{ number: 0, resultId: first.resultId, claimed: { digest: first.digest } },
        classes: [
          {
            engineClass: 'wasm',
            by: 'digest',
            agreement: 'agrees',
            found: { digest: first.digest },
            equal: 2,
            unequal: 0,
          },
        ],
      },
      {
        ...{ number: 1, claimed: { digest: forged.digest, metricValue: 1.5 } },
        classes: [
          { agreement: 'differs', found: { digest: second.digest, metricValue: second.metricValue } },
        ],
      },
    ],
  })
  const state = await rows(life, `select state from campaigns where id = '${id}'`)
  expect(state).toEqual([{ state: 'finished' }])
})

test('a run that two lying owners published differs when others compute it', async () => {
  const { id: campaign } = await submit(life, { runs: 1 })
  const liars = [await addHost(life), await addHost(life)]
  for (const host of liars) await report(life, host, await take(life, host), lie(1))
  const [published] = await rows(
    life,
    `select result_id, digest from corpus where campaign_id = '${campaign}'`,
  )
  const id = await study([published.result_id])
  const others = [await addHost(life), await addHost(life)]
  const taken: ResultId[][] = []
  for (const host of others) taken.push(await take(life, host))
  for (const [i, host] of others.entries()) await report(life, host, taken[i]!)
  await seeAll(id)
  expect(await agreementOf(id)).toMatchObject({ summary: { differs: 1, agrees: 0 } })
})

test('no verifier takes a run of a study, however long nobody else does', async () => {
  const { exported } = await original()
  await study([exported[0]!.resultId])
  const verifier = await addHost(life, { trusted: true })
  await wait(life, 3600_000)
  expect(await take(life, HostId.parse(verifier))).toEqual([])
})

test('a file that is no study says which field', async () => {
  const { exported } = await original()
  const { token } = await addUser(life.knex, 'rosa', { milli: 100_000 })
  const claim = claimOf(exported[0]!)
  const refused = async (body: object) => {
    const { code, json } = await server.call('POST', '/api/v1/campaigns/validate', { token, body })
    return `${code} ${(json as { detail: string }).detail}`
  }
  const { study: _, ...none } = fileOf([claim])
  expect(await refused(none)).toMatch(/campaign_invalid study: type: replicate needs one/)
  expect(await refused({ ...fileOf([claim]), type: 'search' })).toMatch(/study: belongs to type: replicate/)
  expect(await refused(fileOf([claim], { space: { lr: { log: [0.1, 1] } } }))).toMatch(/space: a study/)
  expect(await refused({ ...none, type: 'search' })).toMatch(/space: a space has at least one dimension/)
  expect(await refused(fileOf([claim, claim]))).toMatch(/originals.1: the same computation/)
  expect(await refused(fileOf(['r_00000000000000000000000000']))).toMatch(
    /originals.0: r_0+ is not a published/,
  )
  expect(await refused(fileOf([{ ...claim, seed: claim.seed + 1 }]))).toMatch(/originals.0.runKey/)
  expect(await refused(fileOf([{ ...claim, recipe: { lr: 7 } }]))).toMatch(
    /recipe_invalid study.originals.0.recipe/,
  )
  expect(await refused(fileOf([{ ...claim, limit: { fuel: 2 * FUEL } }]))).toMatch(/originals.0: its limit/)
  const classes = { study: { originals: [claim], runs: 2, classes: ['onnx-cpu'] } }
  expect(await refused(fileOf([claim], classes))).toMatch(/study.classes: tiny@0 runs in wasm only/)
  const over = { budget: { fuel_per_run: FUEL, runs: 3, credits: 10 } }
  expect(await refused(fileOf([claim], over))).toMatch(/budget.runs: the study has 1 originals/)
})
