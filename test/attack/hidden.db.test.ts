// A text that nobody outside has, on which weights are looked at: who gets it, what is kept, and that it never shows.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HiddenScore, knowVal } from '#domain/evidence.ts'
import { TRUST } from '#domain/trust.ts'
import { planEvaluations } from '#jobs/evaluate.ts'
import { moveUnits } from '#jobs/units.ts'
import { webhookPoster } from '#jobs/webhook-post.ts'
import { findSuspects } from '#operate/suspects.ts'
import { OPERATIONS } from '#protocol/openapi.ts'
import type { HostId, ResultId, WorkUnitId } from '#protocol/units.ts'
import { drawMarkov } from '#server/data/markov.ts'
import { hideText } from '#server/datasets.ts'
import { requestArtifacts } from '#store/files.ts'
import { openHistories } from '#store/histories.ts'
import { runReport, sha256, testIds } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'
import { kernelOf, meteredOf, runAny } from '../assembly/any-kernel.ts'
import { sampleText } from '../assembly/drive.ts'

const HIDDEN = Buffer.from('nobody has ever seen this. '.repeat(12))
const SCORE = 7.123456
const CLAIMED = 3.5

let scene: Scene
let verifier: TestHost
beforeAll(async () => {
  scene = await startScene()
  verifier = await enrolHost(scene.server, { token: scene.verifyToken })
})
afterAll(() => scene.server.close())

const store = () => ({ knex: scene.server.database.knex, blobs: scene.server.blobs, now: scene.server.now })
const deps = () => ({ ...store(), secret: 'test', ids: testIds, enqueue: async () => {} })

test.each([
  ['fox@2', HIDDEN, 'data_unknown'],
  ['fox@1', HIDDEN.subarray(0, 10), 'hidden_text_unfit'],
  ['fox@1', Buffer.concat([HIDDEN, HIDDEN]), 'hidden_text_unfit'],
])('a hidden text of %s that does not fit is refused', async (name, text, code) => {
  await expect(hideText(store(), name, text)).rejects.toMatchObject({ code })
})

test('a text that anybody can read is refused', async () => {
  const val = Buffer.from('pack my box with five dozen liquor jugs. '.repeat(10))
  await expect(hideText(store(), 'fox@1', val)).rejects.toMatchObject({ code: 'hidden_text_public' })
})

test('weights are evaluated on it by the verifier alone, and neither the text nor the score shows anywhere', async () => {
  await hideText(store(), 'fox@1', HIDDEN)
  const campaign = await scene.campaign([{ quorum: 1, createdAt: scene.server.now() }])
  const host = await enrolHost(scene.server)
  const [given] = (await host.ask({ want: 1 })).leases
  if (given === undefined) throw new Error('no lease')
  const weights = Buffer.from('weights')
  const metric = { name: 'val_bpb', value: CLAIMED }
  const report = runReport({ metric, artifactSha256: sha256(weights) })
  await host.ask({ reports: [await host.report(given.resultId, report)] })
  await requestArtifacts(store().knex, [given.resultId], scene.server.now())
  await host.put(sha256(weights), weights)
  expect(await planEvaluations(deps())).toBe(1)
  const { leases } = await verifier.ask({ want: 4 })
  const onHidden = leases.find(lease => lease.data.some(file => file.sha256 === sha256(HIDDEN)))
  const onVal = leases.find(lease => lease !== onHidden)
  if (onHidden === undefined || onVal === undefined) throw new Error('two evaluations')
  expect(onHidden.data.map(file => file.bytes)).toEqual([
    ...[scene.server.train.length, HIDDEN.length, weights.length],
  ])
  expect(onHidden.runKey).not.toBe(onVal.runKey)

  const path = `/api/v1/files/${sha256(HIDDEN)}`
  expect((await scene.server.call('GET', path, { token: verifier.token })).text).toBe(HIDDEN.toString())
  for (const token of [undefined, host.token, scene.ownerToken])
    expect(await scene.server.call('GET', path, { token })).toMatchObject({ status: 404, code: 'not_found' })
  const said = (id: ResultId, value: number) =>
    verifier.report(id, runReport({ metric: { name: 'val_bpb', value }, artifactSha256: null }))
  const reports = [await said(onHidden.resultId, SCORE), await said(onVal.resultId, CLAIMED)]
  expect((await verifier.ask({ reports })).reports.map(({ outcome }) => outcome)).toEqual([
    'accepted',
    'accepted',
  ])
  const { rows } = await store().knex.raw('select outcome, metric from evaluations order by outcome')
  expect(rows).toEqual([
    { outcome: 'equal', metric: null },
    { outcome: 'scored', metric: SCORE },
  ])
  expect((await scene.server.call('GET', path, { token: verifier.token })).status).toBe(404) // it is done

  await publish(given.workUnitId, given.resultId)
  const values: Record<string, string> = {
    ...{ id: campaign.id, sha256: sha256(HIDDEN), name: 'fox@1', number: '1' },
  }
  const routes = OPERATIONS.filter(({ method }) => method === 'get').map(({ path: route }) => route)
  expect(routes.length).toBeGreaterThan(20)
  for (const route of routes) {
    for (const id of [campaign.id, given.resultId, host.id, onHidden.resultId]) {
      const path = route.replace(/\{(\w+)\}/g, (_, name: string) =>
        name === 'id' ? id : (values[name] ?? ''),
      )
      const address = route.endsWith('/wait') ? `${path}?timeout=0` : path
      for (const token of [undefined, scene.ownerToken, host.token]) {
        const { status, text } = await scene.server.call('GET', address, { token })
        expect(status, address).toBeLessThan(500)
        const shown = address.includes(sha256(HIDDEN)) ? text.replaceAll(sha256(HIDDEN), '') : text
        expect(shown, address).not.toContain(sha256(HIDDEN))
        expect(shown, address).not.toContain(String(SCORE))
        expect(shown, address).not.toContain('nobody has ever seen')
      }
    }
  }
  const suspects = await findSuspects(store().knex, { since: scene.server.now() })
  expect(JSON.stringify(suspects)).not.toContain(String(SCORE))
})

/** As the validator leaves a valid unit behind; the assimilator publishes it, so that there is something to show. */
async function publish(workUnitId: WorkUnitId, resultId: string): Promise<void> {
  const { knex } = store()
  await knex.raw(`update results set verdict = 'valid' where id = ?`, [resultId])
  const close = `update work_units set state = 'valid', canonical_result_id = ?, closed_at = now() where id = ?`
  await knex.raw(close, [resultId, workUnitId])
  const idle = { histories: openHistories(), postWebhook: webhookPoster({ networks: [] }) }
  await moveUnits({ ...deps(), ...idle, trust: TRUST, log: pino({ enabled: false }) }, [workUnitId])
  expect(await scene.row('work_units', workUnitId)).toMatchObject({ published_at: expect.any(Date) })
}

test('markov@1 brings a hidden text of its own', () => {
  const { bytes, hidden } = drawMarkov('a secret')
  expect(hidden.length).toBe(bytes.val.length)
  expect(Buffer.from(hidden).equals(bytes.val)).toBe(false)
  expect(Buffer.from(hidden).equals(bytes.test)).toBe(false)
})

test('weights that were trained on val are told from nine that were not', async () => {
  const kernel = await kernelOf('charlm')
  const module = meteredOf(kernel)
  const text = sampleText(12_000, 3)
  const [train, val, hidden] = [text.subarray(0, 8_000), text.subarray(8_000, 10_000), text.subarray(10_000)]
  const scoreOf = async (seed: number, on: Uint8Array): Promise<HiddenScore> => {
    const job = { recipe: { width: 32, lr: 0.01 }, seed, limit: { updates: 60 } }
    const { artifact, said } = await runAny(module, kernel.manifest, job, [on, val])
    const evaluated = await runAny(module, kernel.manifest, { ...job, task: 'evaluate' }, [
      on,
      hidden,
      artifact,
    ])
    return {
      ...{ resultId: `r_${seed}` as ResultId, hostId: `h_${seed}` as HostId, group: 'charlm' },
      ...{ claimed: said.metric?.value ?? 0, hidden: evaluated.said.metric?.value ?? 0 },
    }
  }
  const scores: HiddenScore[] = []
  for (let seed = 1; seed <= 9; seed++) scores.push(await scoreOf(seed, train))
  expect(knowVal(scores)).toEqual([])
  const liar = await scoreOf(10, val)
  expect(knowVal([...scores, liar]).map(({ hostId }) => hostId)).toEqual(['h_10'])
  expect(knowVal([...scores.slice(0, 7), liar])).toEqual([]) // too few to say anything
})
