// What is learnt of an engine class: from whom, when it is frozen, and that it holds from then on; and what is kept from it.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { learnBounds, readBounds } from '#jobs/tolerance.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { EngineClass, NativeClass } from '#protocol/engine.ts'
import { Job } from '#protocol/job.ts'
import type { Lease } from '#protocol/scheduler.ts'
import { inTransaction } from '#store/database.ts'
import { runReport, sha256, T0, testIds } from '#support/builders.ts'
import {
  evaluateAll,
  NATIVE,
  nativeCampaign,
  type SceneJobs,
  startNativeScene,
  takeOne,
} from '#support/native.ts'
import { deliver, elsewhere, METRIC, newWeights, trained } from '#support/native-weights.ts'
import type { Scene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let jobs: SceneJobs
let token: string
let verifier: TestHost
beforeAll(async () => {
  ;({ scene, jobs, token, verifier } = await startNativeScene())
})
afterAll(() => scene.server.close())
beforeEach(async () => {
  newWeights()
  await scene.clear()
  await scene.server.database.knex.raw('delete from tolerances')
})

interface Seen {
  readonly engineClass?: NativeClass
  /** How far the second run's metric lies from the first one's. */
  readonly apart?: number
  readonly trusted?: readonly [boolean, boolean]
  readonly verdicts?: readonly ['valid' | 'invalid', 'valid' | 'invalid']
}

/** As if a validator had just judged a unit of two results. */
function learn({
  engineClass = 'onnx-cpu',
  apart = 1e-4,
  trusted = [true, false],
  verdicts = ['valid', 'valid'],
}: Seen = {}) {
  const workUnitId = testIds.workUnit(T0)
  const { moduleSha256: kernelSha256 } = scene.server.kernel
  const successes = [0, 1].map(i => ({
    ...{
      id: testIds.result(T0),
      workUnitId,
      kernelSha256,
      engineClass,
      verdict: 'pending' as const,
      metric: METRIC,
    },
    trusted: trusted[i] === true,
    report: canonicalJson(
      runReport({
        ...{ engine: engineClass, trace: [], fingerprint: [{ norm: 1, projections: [1, 1, 1, 1] }] },
        metric: { name: 'val_bpb', value: METRIC + i * apart },
      }),
    ),
  }))
  const decided = successes.map(({ id }, i) => ({
    ...{ resultId: id, verdict: verdicts[i] ?? 'valid', amountMilli: 0 as never, confirmed: false },
  }))
  return inTransaction(scene.server.database.knex, trx =>
    learnBounds(trx, { successes, settlements: [{ verdicts: decided as never }], now: scene.server.now() }),
  )
}

const boundsOf = (engineClass: EngineClass) =>
  inTransaction(scene.server.database.knex, async trx => {
    const of = { kernelSha256: scene.server.kernel.moduleSha256, engineClass }
    return (await readBounds(trx, [of])).of(of)
  })
const pairs = async (): Promise<number> => {
  const { rows } = await scene.server.database.knex.raw(
    'select coalesce(sum(jsonb_array_length(pairs)), 0)::int as n from tolerances',
  )
  return rows[0].n
}

test.each<[string, Seen, number]>([
  ['a trusted host and another that is valid', {}, 1],
  ['two trusted hosts, once', { trusted: [true, true] }, 1],
  ['two strangers who agree: nothing', { trusted: [false, false] }, 0],
  ['a trusted host and one that is wrong: nothing', { verdicts: ['valid', 'invalid'] }, 0],
  ['an exact class: nothing', { engineClass: 'onnx-wasm' }, 0],
])('is learnt from %s', async (_, seen, gathered) => {
  await learn(seen)
  expect(await pairs()).toBe(gathered)
})

test('twenty pairs freeze the bounds of their class for the release; nothing that comes later moves them, nor another class', async () => {
  for (let i = 0; i < 19; i++) await learn({ apart: 0.002 })
  expect(await boundsOf('onnx-cpu')).toEqual(NATIVE.tolerance)
  await learn({ apart: 0.001 })
  const frozen = await boundsOf('onnx-cpu')
  expect(frozen?.metric).toBeCloseTo(0.006, 12) // three times the largest
  expect(frozen).toMatchObject({
    curve: NATIVE.tolerance.curve / 2,
    fingerprint: NATIVE.tolerance.fingerprint / 2,
  })
  for (let i = 0; i < 25; i++) await learn({ apart: 0.009 })
  expect(await boundsOf('onnx-cpu')).toEqual(frozen)
  expect(await boundsOf('onnx-cuda')).toEqual(NATIVE.tolerance)
  expect(await pairs()).toBe(20)
})

test('whatever was seen, bounds are never looser than the manifest’s', async () => {
  for (let i = 0; i < 20; i++) await learn({ apart: 0.5 })
  expect((await boundsOf('onnx-cpu'))?.metric).toBe(NATIVE.tolerance.metric)
})

let campaigns = 0
test.each([
  ['the manifest’s bounds agree', false, 'valid'],
  ['bounds that were learnt and are tighter go to the verifier', true, 'open'],
])('two hosts 0.007 bits apart under %s', async (_, isLearnt, state) => {
  if (isLearnt) for (let i = 0; i < 20; i++) await learn()
  const body = nativeCampaign(++campaigns / 1000, {})
  expect((await scene.server.call('POST', '/api/v1/campaigns', { token, body })).status).toBe(201)
  await jobs.run()
  const [a, b] = [await enrolHost(scene.server), await enrolHost(scene.server)]
  const [mine, theirs] = [await takeOne(a, ['onnx-cpu']), await takeOne(b, ['onnx-cpu'])]
  const metrics = new Map<string, number>([
    [sha256(trained), METRIC],
    [sha256(elsewhere), METRIC + 0.007],
  ])
  await deliver(a, mine, { weights: trained, metric: METRIC })
  await deliver(b, theirs, { weights: elsewhere, metric: METRIC + 0.007 })
  expect(await evaluateAll(jobs, verifier, hash => metrics.get(hash) ?? Number.NaN)).toBe(2)
  expect(await scene.row('work_units', mine.workUnitId)).toMatchObject({
    ...{ state, demand: isLearnt ? 'disagreement' : null },
  })
})

describe('a recipe on which devices would not agree', () => {
  const space = { lr: { choice: [0.65, 0.8] } }
  const budget = { flops_per_run: 10e9, runs: 2, credits: 1000 }

  test('is never leased to a native host where the kernel may compute it, and the quote says how many are', async () => {
    const body = nativeCampaign(0, { budget, space, engines: ['wasm', 'onnx-cpu'] })
    const { json } = await scene.server.call('POST', '/api/v1/campaigns/validate', { body })
    expect(json).toMatchObject({
      quote: { restless: { recipes: 1, of: 2, because: 'lr 0.8: devices agree on rates up to 0.7' } },
    })
    expect((await scene.server.call('POST', '/api/v1/campaigns', { token, body })).status).toBe(201)
    await jobs.run()
    const rateOf = (lease: Lease | undefined) => Job.parse(JSON.parse(lease?.job ?? '')).recipe.lr
    const take = async (engineClasses: EngineClass[]) =>
      (await (await enrolHost(scene.server)).ask({ want: 2, engineClasses })).leases
    expect((await take(['onnx-cpu'])).map(rateOf)).toEqual([0.65])
    const both = (await take(['onnx-cpu', 'wasm'])).toSorted((x, y) => Number(rateOf(x)) - Number(rateOf(y)))
    expect(both.map(lease => [rateOf(lease), lease.engineClass])).toEqual([
      [0.65, 'onnx-cpu'],
      [0.8, 'wasm'],
    ])
    expect(await scene.row('work_units', both[1]?.workUnitId ?? '')).toMatchObject({
      ...{ engine_class: 'wasm', engines: null, exact_key: null, price_milli: 9 },
    })
  })

  test('is refused where every class compares with a tolerance, with what devices agree on', async () => {
    const body = nativeCampaign(0, { budget, space, engines: ['onnx-cpu', 'onnx-cuda'] })
    const reply = await scene.server.call('POST', '/api/v1/campaigns', { token, body })
    expect(reply).toMatchObject({
      status: 422,
      json: { code: 'recipe_restless', detail: 'experiment 1: lr 0.8: devices agree on rates up to 0.7' },
    })
  })
})
