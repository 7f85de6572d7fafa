// A work unit of vision in the class onnx-cpu: dealt by the server, computed by ONNX Runtime, judged by its weights and its twin.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRuntime } from '#client/node/native/runtime.ts'
import { runNatively } from '#client/onnx/run.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { TRUST } from '#domain/trust.ts'
import { Job, type Recipe } from '#protocol/job.ts'
import { canonicalRecipe, type KernelManifest } from '#protocol/kernel.ts'
import { flopsOfUpdate } from '#protocol/native.ts'
import type { Lease } from '#protocol/scheduler.ts'
import { freely } from '#runtime/self-test.ts'
import { importDataset } from '#server/data/import.ts'
import { insertDataset } from '#store/datasets.ts'
import { insertFile } from '#store/files.ts'
import { addUser, T0 } from '#support/builders.ts'
import { evaluateAll, jobsOf, nativeCampaign, type SceneJobs, takeOne } from '#support/native.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'
import { isMissing, nativeRuntime } from '../client/onnx/session.ts'
import { prepare } from '../client/onnx/tasks.ts'

const UPDATES = 12
const RECIPE: Recipe = { model: 'cnn', batch: 8, width: 16, warmup: 2 }

let scene: Scene
let jobs: SceneJobs
let token: string
let manifest: KernelManifest
const gives = new Map<string, number>() // what vision makes of weights, by their hash

describe.skipIf(isMissing)('a unit of vision on onnx-cpu', () => {
  beforeAll(async () => {
    scene = await startScene()
    const { knex } = scene.server.database
    const { kernel } = await prepare('vision', RECIPE, UPDATES)
    manifest = kernel.manifest
    // As if the kernel of the scene were vision: its manifest is what the server knows of a kernel.
    await knex.raw(
      `update kernels set name = 'vision', version = 1, manifest = manifest || cast(:manifest as jsonb)`,
      { manifest: JSON.stringify(manifest) },
    )
    const { manifest: dataset, files } = await importDataset('shapes@1')
    for (const bytes of files.values())
      await insertFile(knex, {
        ...{ sha256: await scene.server.blobs.put(bytes), bytes: bytes.length, kind: 'data', now: T0 },
      })
    await insertDataset(knex, dataset, T0)
    token = (await addUser(knex, 'rosa', { milli: 1_000_000 })).token
    jobs = jobsOf(scene, { ...TRUST, sampleShare: 0, leaderRows: 0 })
  })
  afterAll(() => scene.server.close())

  /** Computes a lease as a volunteer does, reports it and delivers the weights. */
  async function compute(host: TestHost, lease: Lease, runtime: NativeRuntime): Promise<void> {
    const { module, data } = await prepare('vision', RECIPE, UPDATES)
    const outcome = await runNatively(
      {
        ...{ runKey: lease.runKey, job: lease.job, data, manifest, engineClass: 'onnx-cpu' },
        ...{ flops: lease.flops ?? 0, fuelMax: lease.fuelMax, memoryBytesMax: Number.POSITIVE_INFINITY },
        module: await WebAssembly.compile(new Uint8Array(module)),
      },
      runtime,
      freely(() => performance.now()),
    )
    if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
    const { report, artifact } = outcome
    gives.set(report.artifactSha256 ?? '', report.metric?.value ?? Number.NaN)
    const { reports } = await host.ask({ reports: [await host.report(lease.resultId, report)] })
    expect(reports).toMatchObject([{ outcome: 'accepted' }])
    const [asked] = (await host.ask()).wanted
    expect((await host.put(asked?.sha256 ?? '', artifact ?? new Uint8Array())).status).toBe(200)
    await jobs.run()
  }

  test('has the updates of its closed form, and two devices that round differently agree on it', async () => {
    const canonical = canonicalRecipe(manifest, RECIPE)
    if (!canonical.ok || manifest.native === undefined) throw new Error('no recipe, or no native form')
    const each = flopsOfUpdate(manifest.native, canonical.recipe)
    const { lr: _, ...recipe } = RECIPE
    const body = nativeCampaign(0.002, {
      ...{ kernel: 'vision@1', data: 'shapes@1', metric: { name: 'val_bits', goal: 'minimize' }, recipe },
      ...{
        engines: ['wasm', 'onnx-cpu'],
        budget: { flops_per_run: UPDATES * each + 1, runs: 1, credits: 1000 },
      },
    })
    const reply = await scene.server.call('POST', '/api/v1/campaigns', { token, body })
    expect(reply.status, reply.text).toBe(201)
    await jobs.run()
    const [a, b] = [await enrolHost(scene.server), await enrolHost(scene.server)]
    const [mine, theirs] = [await takeOne(a, ['onnx-cpu']), await takeOne(b, ['onnx-cpu', 'wasm'])]
    expect(mine).toMatchObject({ engineClass: 'onnx-cpu', flops: UPDATES * each })
    expect(Job.parse(JSON.parse(mine.job))).toMatchObject({ kernel: 'vision@1', limit: { updates: UPDATES } })
    expect(theirs).toMatchObject({ workUnitId: mine.workUnitId, engineClass: 'onnx-cpu' })
    await compute(a, mine, nativeRuntime())
    // The other build of it, for WebAssembly, adds up in another order.
    await compute(b, theirs, (await loadRuntime('wasm')) ?? nativeRuntime())
    expect(gives.size).toBe(2)
    const verifier = await enrolHost(scene.server, { token: scene.verifyToken })
    expect(await evaluateAll(jobs, verifier, hash => gives.get(hash) ?? Number.NaN)).toBe(2)
    for (const lease of [mine, theirs])
      expect(await scene.row('results', lease.resultId)).toMatchObject({ verdict: 'valid', weights: 'equal' })
  })
})
