import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { proveWeights } from '#jobs/prove.ts'
import { Job } from '#protocol/job.ts'
import type { Lease } from '#protocol/scheduler.ts'
import { sha256 } from '#support/builders.ts'
import {
  evaluateAll,
  exactnessSaid,
  nativeCampaign,
  nativeReport,
  type SceneJobs,
  startNativeScene,
  takeOne,
  weightsOf,
} from '#support/native.ts'
import {
  deliver,
  elsewhere,
  METRIC,
  metricOf,
  newWeights,
  trained,
  UNTRAINED_METRIC,
  untrained,
} from '#support/native-weights.ts'
import type { Scene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let jobs: SceneJobs
let verifier: TestHost
let token: string
beforeAll(async () => {
  ;({ scene, jobs, token, verifier } = await startNativeScene())
})
afterAll(() => scene.server.close())
beforeEach(async () => {
  newWeights()
  await scene.clear()
})

let campaigns = 0
async function submit(changes: object = {}): Promise<string> {
  const body = nativeCampaign(++campaigns / 10_000 + 0.001, changes)
  const reply = await scene.server.call('POST', '/api/v1/campaigns', { token, body })
  if (reply.status !== 201) throw new Error(reply.text)
  await jobs.run()
  return (reply.json as { id: string }).id
}

/** Reports a native run and delivers its weights; then the jobs run. */
async function compute(...said: Parameters<typeof deliver>): Promise<void> {
  await deliver(...said)
  await jobs.run()
}

const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
  (await scene.server.database.knex.raw(sql)).rows
const verdictOf = async (lease: Lease) => (await scene.row('results', lease.resultId)).verdict
const unitOf = (lease: Lease) => scene.row('work_units', lease.workUnitId)
const stateOf = async (host: TestHost) => (await scene.row('hosts', host.id)).state
const evaluate = () => evaluateAll(jobs, verifier, metricOf)
const newHost = () => enrolHost(scene.server)

/** Two hosts of a class with a result each of one unit. */
async function pair(): Promise<{ a: TestHost; b: TestHost; mine: Lease; theirs: Lease }> {
  await submit()
  const [a, b] = [await newHost(), await newHost()]
  const mine = await takeOne(a, ['onnx-cpu'])
  const theirs = await takeOne(b, ['onnx-cpu'])
  expect(theirs.workUnitId).toBe(mine.workUnitId)
  return { a, b, mine, theirs }
}

describe('a work unit is of the class of its first host', () => {
  test('and no result of it is of another one: for whoever asks, and for PostgreSQL', async () => {
    await submit({
      budget: { flops_per_run: 10e9, runs: 2, credits: 1000 },
      space: { lr: { choice: [0.5, 0.6] } },
    })
    const hosts = await Promise.all([newHost(), newHost(), newHost(), newHost()])
    const [w1, n1, w2, n2] = hosts as [TestHost, TestHost, TestHost, TestHost]
    const wasm = await takeOne(w1, ['wasm'])
    const native = await takeOne(n1, ['onnx-cpu'])
    expect(wasm).toMatchObject({ engineClass: 'wasm', fuelMax: 1e12 })
    expect(native).toMatchObject({ engineClass: 'onnx-cpu', flops: 10e9, fuelMax: 1e12 })
    expect(native.workUnitId).not.toBe(wasm.workUnitId)
    expect(Job.parse(JSON.parse(native.job)).limit).toEqual({ updates: 10 })
    expect((await takeOne(w2, ['wasm', 'onnx-cuda'])).workUnitId).toBe(wasm.workUnitId)
    expect((await takeOne(n2, ['wasm', 'onnx-cpu'])).workUnitId).toBe(native.workUnitId)
    expect((await (await newHost()).ask({ want: 2, engineClasses: ['onnx-cuda'] })).leases).toEqual([])
    expect(
      await rows(`select w.id from results r join work_units w on w.id = r.work_unit_id
        where r.engine_class is not null group by w.id having count(distinct r.engine_class) > 1`),
    ).toEqual([])
    const mixed = scene.server.database.knex.raw(`update results set engine_class = 'wasm' where id = ?`, [
      native.resultId,
    ])
    await expect(mixed).rejects.toThrow('unit_of_one_class')
  })

  test('its run key names the class, but for the kernel itself', async () => {
    await submit()
    const native = await takeOne(await newHost(), ['onnx-cuda'])
    const unit = await unitOf(native)
    expect(native.runKey).toBe(unit.run_key)
    expect(unit.exact_key).not.toBe(native.runKey)
    await scene.clear()
    await submit({ engines: ['wasm'], space: { lr: { choice: [campaigns / 10_000 + 0.001] } } })
    expect((await takeOne(await newHost(), ['wasm'])).runKey).toBe(unit.exact_key)
  })

  test('the fastest that the host offers and can end in time', async () => {
    await submit()
    const words = { want: 1, engineClasses: ['wasm', 'onnx-cpu', 'onnx-cuda'] as const }
    const rates = { wasm: 1e9, 'onnx-cpu': 3e9, 'onnx-cuda': 1 }
    expect((await (await newHost()).ask({ ...words, engineRates: rates })).leases).toMatchObject([
      { engineClass: 'onnx-cpu' },
    ])
  })
})

test('a native result is judged when its weights were looked at, is paid by its FLOPs, and is published as what it is', async () => {
  const { a, b, mine, theirs } = await pair()
  await compute(a, mine)
  await compute(b, theirs, { weights: elsewhere })
  expect([await verdictOf(mine), await verdictOf(theirs)]).toEqual(['pending', 'pending'])
  expect(await evaluate()).toBe(2)
  expect([await verdictOf(mine), await verdictOf(theirs)]).toEqual(['valid', 'valid'])
  expect(await scene.row('results', mine.resultId)).toMatchObject({ weights: 'equal', granted_milli: 40 })
  const published = await rows(
    `select run_key, metric_value from corpus where work_unit_id = '${mine.workUnitId}'`,
  )
  const { canonical_result_id: canonicalId } = await unitOf(mine)
  const metric = metricOf(sha256(canonicalId === mine.resultId ? trained : elsewhere))
  expect(published).toEqual([{ run_key: mine.runKey, metric_value: metric }])
  const receipt = await scene.server.call('GET', `/api/v1/results/${mine.resultId}/receipt`)
  expect(receipt.json).toMatchObject({
    ...{ engineClass: 'onnx-cpu', per: 'GFLOP', priceMilliPerGfuel: 4, fuelPaid: 10e9, paidMilli: 40 },
  })
})

test('a wasm unit of a budget in FLOPs is paid by its FLOPs as well, whatever fuel its report says', async () => {
  await submit()
  const [a, b] = [await newHost(), await newHost()]
  for (const host of [a, b]) {
    const lease = await takeOne(host, ['wasm'])
    const run = nativeReport(lease, { weights: trained, metric: METRIC, fuelUsed: 5e11 })
    await host.ask({ reports: [await host.report(lease.resultId, run)] })
    await jobs.run()
    if (host === b) expect(await scene.row('results', lease.resultId)).toMatchObject({ granted_milli: 90 })
  }
})

describe('who lies on a native class', () => {
  test('with a metric 0.02 bits better than its weights is caught by V1, without a second result', async () => {
    const { a, b, mine, theirs } = await pair()
    await compute(a, mine, { metric: METRIC - 0.02 })
    await evaluate()
    expect([await verdictOf(mine), await stateOf(a)]).toEqual(['invalid', 'quarantined'])
    await compute(b, theirs)
    const c = await newHost()
    await compute(c, await takeOne(c, ['onnx-cpu']), { weights: elsewhere })
    await evaluate()
    expect([await verdictOf(theirs), (await unitOf(theirs)).state]).toEqual(['valid', 'valid'])
    expect(await scene.row('results', mine.resultId)).toMatchObject({
      weights: 'different',
      granted_milli: 0,
    })
  })

  test('with a fingerprint of other weights than it delivers is caught by the server alone', async () => {
    const { a, mine } = await pair()
    await compute(a, mine, { weights: untrained, metric: UNTRAINED_METRIC, fingerprintOf: trained })
    await proveWeights(jobs.deps)
    await jobs.run()
    expect([await verdictOf(mine), await stateOf(a)]).toEqual(['invalid', 'quarantined'])
  })

  test('with an untrained model and its true metric differs from an honest host, and the verifier settles it', async () => {
    const { a, b, mine, theirs } = await pair()
    await compute(a, mine, { weights: untrained })
    await compute(b, theirs)
    await evaluate()
    expect(await unitOf(mine)).toMatchObject({ state: 'open', demand: 'disagreement' })
    await compute(verifier, await takeOne(verifier, ['onnx-cpu']), { weights: elsewhere })
    await evaluate()
    expect([await verdictOf(mine), await verdictOf(theirs)]).toEqual(['invalid', 'valid'])
    expect(await scene.row('results', mine.resultId)).toMatchObject({ granted_milli: 0 })
  })

  test('with the weights of another run goes to the verifier, also where nobody computes beside it', async () => {
    const first = await pair()
    await compute(first.a, first.mine)
    await compute(first.b, first.theirs, { weights: elsewhere })
    await evaluate()
    await scene.clear()
    await submit({ replicate: { quorum: 1, policy: 'adaptive' } })
    const thief = await newHost()
    const lease = await takeOne(thief, ['onnx-cpu'])
    await compute(thief, lease)
    expect(await scene.row('results', lease.resultId)).toMatchObject({ draw: 'verifier' })
    await evaluate() // its weights give its metric: they are somebody's
    expect(await verdictOf(lease)).toBe('pending')
    await compute(verifier, await takeOne(verifier, ['onnx-cpu']), { weights: untrained })
    await evaluate()
    expect([await verdictOf(lease), await stateOf(thief)]).toEqual(['invalid', 'quarantined'])
  })

  test('with a class that it does not have is refused when another engine computed it', async () => {
    const { a, mine } = await pair()
    const wasm = nativeReport({ ...mine, engineClass: 'wasm' }, { weights: trained, metric: METRIC })
    const { reports } = await a.ask({ reports: [await a.report(mine.resultId, wasm)] })
    expect(reports).toMatchObject([{ outcome: 'refused', code: 'report_inconsistent' }])
    expect(await scene.events(a.id)).toContain('report_inconsistent')
  })

  test('with fewer updates, or other FLOPs, than it was asked is refused', async () => {
    const { a, mine } = await pair()
    for (const changes of [{ counters: { updates: 9 } }, { fuelUsed: 9e9 }, { counters: { updates: 11 } }]) {
      const run = nativeReport(mine, { weights: trained, metric: METRIC, ...changes })
      const { reports } = await a.ask({ reports: [await a.report(mine.resultId, run)] })
      expect(reports).toMatchObject([{ outcome: 'refused', code: 'report_inconsistent' }])
    }
  })

  test('and never delivers its weights gets nothing: after a day its result is inconclusive', async () => {
    const { a, b, mine, theirs } = await pair()
    const run = nativeReport(mine, { weights: weightsOf([1, 2, 3]), metric: METRIC })
    await a.ask({ reports: [await a.report(mine.resultId, run)] })
    await compute(b, theirs)
    await evaluate()
    expect(await verdictOf(mine)).toBe('pending')
    scene.server.advance(24 * 3600_000 + 1)
    await proveWeights(jobs.deps)
    await jobs.run()
    expect(await verdictOf(mine)).toBe('inconclusive')
    expect(await scene.row('results', mine.resultId)).toMatchObject({ granted_milli: 0 })
    expect(await stateOf(a)).toBe('active')
  })
})

test('an evaluation that the verifier could not make says nothing of the host, and is made again', async () => {
  const { a, mine } = await pair()
  await compute(a, mine)
  await proveWeights(jobs.deps)
  const [lease] = (await verifier.ask({ want: 1 })).leases
  const error = { outcome: 'error', code: 'out_of_memory', detail: 'x', cpuMs: 1 }
  await verifier.ask({ reports: [{ resultId: lease?.resultId, ...error }] })
  await proveWeights(jobs.deps)
  expect(await scene.row('results', mine.resultId)).toMatchObject({ weights: 'awaited' })
  expect(await evaluate()).toBe(1)
  expect(await scene.row('results', mine.resultId)).toMatchObject({ weights: 'equal' })
})

test.each([
  ['a class that the kernel has no form for', { engines: ['onnx-webgpu'] }, 'engines: tiny@0 has no form'],
  [
    'native classes without a budget in FLOPs',
    { budget: { updates_per_run: 10, runs: 1, credits: 1 } },
    'give flops_per_run',
  ],
  ['a pruner', { stop: { prune: 'asha' } }, 'stop.prune'],
  ['a class twice', { engines: ['wasm', 'wasm'] }, 'each class once'],
])('a campaign with %s is refused', async (_, changes, detail) => {
  await expect(submit(changes)).rejects.toThrow(detail)
})

test('what no exact engine has computed is marked so everywhere, until the kernel has', async () => {
  const { a, b, mine, theirs } = await pair()
  await compute(a, mine)
  await compute(b, theirs, { weights: elsewhere })
  await evaluate()
  const marks = async () => {
    const { exact_key, campaign_id } = await unitOf(mine)
    const { runKey, said } = await exactnessSaid(scene, String(campaign_id), mine)
    expect(runKey).toBe(exact_key) // what `repro` computes
    return said
  }
  await rows(`update results set confirmed = true where work_unit_id = '${mine.workUnitId}'`) // a proven host vouches
  const mark = (exactness: string) => [
    ...[exactness, exactness, exactness],
    expect.objectContaining({ engines: ['onnx-cpu'], exactness }),
  ]
  expect(await marks()).toEqual(mark('not_rerun'))
  await scene.clear()
  await submit({ engines: ['wasm'], space: { lr: { choice: [campaigns / 10_000 + 0.001] } } })
  for (const host of [await newHost(), await newHost()]) {
    const lease = await takeOne(host, ['wasm'])
    const run = nativeReport(lease, { weights: trained, metric: METRIC - 1e-5 })
    await host.ask({ reports: [await host.report(lease.resultId, run)] })
    await jobs.run()
  }
  expect(await marks()).toEqual(mark('rerun'))
})
