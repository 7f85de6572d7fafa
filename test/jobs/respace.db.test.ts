// Campaigns whose space the agent moves, on the real jobs.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { say } from '#jobs/say.ts'
import { CampaignFile } from '#protocol/campaign.ts'
import { NOTE_CHARS_MAX } from '#protocol/limits.ts'
import { searchOf } from '#search/campaign-search.ts'
import { historyAt } from '#search/history.ts'
import { findRevision, listRevisions } from '#store/campaign-life.ts'
import { listNotes } from '#store/notes.ts'
import { lockUnsettled } from '#store/progress.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, rows, runJobs, startLifecycle, submit } from '#support/lifecycle.ts'
import { computeAll, historyOf } from '#support/searching.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

test('a best at the edge widens the space by one revision that says why, and its proposals can be computed again', async () => {
  const file = {
    space: { lr: { log: [0.03, 0.1] }, width: { choice: [16, 32] } }, // the best rate is 0.01
    sampler: { name: 'tpe', seed: 7, startup: 8 },
    stop: { prune: 'none' },
    agent: { widen: { lr: [0.002, 0.1] } },
  }
  const { id } = await submit(life, { runs: 34, quorum: 1, policy: 'fixed', file })
  const host = await addHost(life, PROVEN)
  for (let run = 0; run < 30 && (await listRevisions(life.knex, id)).length === 1; run++)
    await computeAll(life, host, undefined, 1)
  // A job that was killed is run again: it decides nothing twice.
  for (let again = 0; again < 2; again++) {
    await life.knex.transaction(trx => life.wake.campaigns(trx, [id]))
    await runJobs(life)
  }
  expect(await listRevisions(life.knex, id)).toHaveLength(2)
  await computeAll(life, host)
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })

  const revisions = await listRevisions(life.knex, id)
  expect(revisions.map(({ author }) => author)).toEqual(['owner', 'agent'])
  expect(revisions[1]?.reason).toMatch(/^lr widens to 0\.01\d* … 0\.1$/)
  const [note] = await listNotes(life.knex, { campaignId: id, after: '', limit: 10 })
  expect(note).toMatchObject({ kind: 'decision', authorId: null })
  expect(note?.text).toMatch(
    /lr was 0\.03 … 0\.1: the best has 0\.03\d*, and \d of the best \d lie in the lower third/,
  )
  const told = await rows(
    life,
    `select event from campaign_events where event in ('revised', 'note') order by xid, id`,
  )
  expect(told.map(({ event }: { event: string }) => event)).toEqual(['revised', 'note'])
  const best = await one(
    life,
    `select recipe from experiments e join experiment_scores s on s.experiment_id = e.id order by s.mean limit 1`,
  )
  expect(best.recipe.lr).toBeLessThan(0.03)

  const { manifest } = await one(
    life,
    `select k.manifest from campaigns c join kernels k on k.module_sha256 = c.kernel_sha256`,
  )
  const { trials, reports } = await historyOf(life, id)
  for (const [ordinal, { revision, recipe }] of trials.entries()) {
    const found = await findRevision(life.knex, id, revision)
    const sampler = searchOf(CampaignFile.parse(found?.file), manifest)
    if (!sampler.ok) throw new Error(sampler.detail)
    const reply = sampler.ask(historyAt({ trials, reports }, ordinal), 1)
    expect(reply.proposals.map(proposal => proposal.recipe)).toEqual([recipe])
  }
})

test('what is too long for a note is shortened: no campaign may stand still for what its agent says', async () => {
  const { id } = await submit(life, { runs: 2, quorum: 1, policy: 'fixed' })
  await life.knex.transaction(async trx => {
    const campaign = await lockUnsettled(trx, id)
    if (campaign === undefined) throw new Error('it runs')
    const text = 'lr narrows. '.repeat(NOTE_CHARS_MAX)
    await say({ trx, deps: life.deps, campaign, now: life.now() }, 'decision', text, [])
  })
  const [note] = await listNotes(life.knex, { campaignId: id, after: '', limit: 10 })
  expect(note?.text).toMatch(/^lr narrows\. .*…$/)
  expect(note?.text).toHaveLength(NOTE_CHARS_MAX)
})
