import { z } from 'zod'
import { TRUST } from '#domain/trust.ts'
import { DEAD_QUEUE, type JobDeps, QUEUES, type QueueName } from '#jobs/deps.ts'
import { proveWeights } from '#jobs/prove.ts'
import { runnerOf } from '#jobs/start.ts'
import { moveDueUnits } from '#jobs/units.ts'
import { Leaderboard, ResultView } from '#protocol/campaign.ts'
import type { EngineClass } from '#protocol/engine.ts'
import { fingerprintOf } from '#protocol/fingerprint.ts'
import { Job } from '#protocol/job.ts'
import type { NativeForm } from '#protocol/native.ts'
import type { RunReport } from '#protocol/report.ts'
import type { Lease } from '#protocol/scheduler.ts'
import { WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { openHistories } from '#store/histories.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { addUser, runReport, sha256, testIds } from './builders.ts'
import { type Scene, startScene } from './scene.ts'
import { enrolHost, type TestHost } from './server.ts'

/** A native form of the kernel that the tests have: a GFLOP an update, and no tolerance for rates above 0.7. */
export const NATIVE: NativeForm = {
  engines: ['onnx-wasm', 'onnx-cpu', 'onnx-cuda'],
  flops: { define: [], update: 1e9 },
  tolerance: { metric: 0.01, curve: 0.01, fingerprint: 0.1 },
  calm: [{ require: { ascend: ['lr', 0.7] }, of: ['lr'], because: 'devices agree on rates up to 0.7' }],
}

/** From now on the kernel of the scene can be computed natively. Before anything asks for its manifest. */
const makeNative = (scene: Scene): Promise<unknown> =>
  scene.server.database.knex.raw(
    `update kernels set manifest = manifest || jsonb_build_object('native', cast(:native as jsonb))`,
    { native: JSON.stringify(NATIVE) },
  )

const HEADER_BYTES = 64

/** An artifact of these parameters, as kernels lay it out. What the scene's kernel makes of them is for the test to say. */
export function weightsOf(parameters: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + 4 * parameters.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(8, parameters.length, true)
  parameters.forEach((value, i) => {
    view.setFloat32(HEADER_BYTES + 4 * i, value, true)
  })
  return bytes
}

/** The report of a native run that ended with these weights. */
export function nativeReport(
  lease: Pick<Lease, 'job' | 'flops' | 'engineClass'>,
  {
    weights,
    metric,
    ...changes
  }: { weights: Uint8Array; metric: number } & Partial<Omit<RunReport, 'metric'>>,
): RunReport {
  const { seed, limit } = Job.parse(JSON.parse(lease.job))
  const updates = 'updates' in limit ? limit.updates : 0
  const fingerprint = fingerprintOf(weights, seed)
  return runReport({
    ...(lease.engineClass === 'wasm' || fingerprint === undefined
      ? {}
      : { engine: lease.engineClass, trace: [], fingerprint }),
    ...{ metric: { name: 'val_bpb', value: metric }, curve: curveOf(updates, metric) },
    ...{ counters: { updates, updatesPlanned: updates }, fuelUsed: lease.flops ?? 1e9 },
    artifactSha256: sha256(weights),
    ...changes,
  })
}

const curveOf = (updates: number, metric: number): RunReport['curve'] => [
  { update: 1, fuel: 1 / updates, train: 8, val: null },
  { update: updates, fuel: 1, train: metric, val: metric },
]

/** A scene whose kernel has a native form, with a researcher's token and a verifier; no leaderboard and no sample sends anything to that. */
export async function startNativeScene() {
  const scene = await startScene()
  await makeNative(scene)
  const { token } = await addUser(scene.server.database.knex, 'rosa', { milli: 1_000_000 })
  const jobs = jobsOf(scene, { ...TRUST, sampleShare: 0, leaderRows: 0 })
  const verifier = await enrolHost(scene.server, { token: scene.verifyToken })
  return { scene, jobs, token, verifier }
}

/** The jobs of a scene, which run when the test says so. */
export interface SceneJobs {
  readonly deps: JobDeps
  /** Runs the jobs until nothing is left to do. */
  run(): Promise<void>
}

export function jobsOf({ server }: Scene, trust: JobDeps['trust']): SceneJobs {
  const asked = new Map<QueueName, Set<string>>(QUEUES.map(queue => [queue, new Set()]))
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const deps: JobDeps = {
    ...{ knex: server.database.knex, blobs: server.blobs, now: server.now, ids: testIds, secret: 'test' },
    ...{ trust, log, histories: openHistories() },
    enqueue: async (_trx, queue, ids) => {
      if (queue === DEAD_QUEUE) throw new Error(`${ids} failed`)
      for (const id of ids) asked.get(queue)?.add(id)
    },
    postWebhook: async () => {
      throw new Error('nobody listens')
    },
  }
  const queueOf = { campaigns: 'propose', hosts: 'standing' } as const
  const collect = (): void => {
    for (const [kind, queue] of Object.entries(queueOf))
      for (const id of server.woken[kind as keyof typeof queueOf].splice(0)) asked.get(queue)?.add(id)
  }
  const runAll = async (): Promise<boolean> => {
    collect()
    const touched = server.woken.workUnits.splice(0).map(id => WorkUnitId.parse(id))
    await inTransaction(deps.knex, trx => touchWorkUnits(trx, touched, server.now()))
    let ran = (await moveDueUnits(deps)).length > 0
    for (const [queue, ids] of asked) {
      const jobs = [...ids].map(id => ({
        ...{ id: `${queue} ${id}`, name: queue, data: { id }, expireInSeconds: 60, heartbeatSeconds: null },
        ...{ retryCount: 0, signal: new AbortController().signal },
      }))
      ids.clear()
      if (jobs.length === 0) continue
      ran = true
      for (const { status, output } of await runnerOf(deps, queue)(jobs))
        if (status !== 'completed') throw new Error(`${queue}: ${JSON.stringify(output)}`)
    }
    return ran
  }
  return {
    deps,
    run: async () => {
      while (await runAll());
    },
  }
}

/** A verifier evaluates what is to be looked at; `metricOf` says what weights give, which are named by their hash. */
export async function evaluateAll(
  jobs: SceneJobs,
  verifier: TestHost,
  metricOf: (weightsSha256: string) => number,
): Promise<number> {
  await proveWeights(jobs.deps)
  let evaluated = 0
  for (;;) {
    const { leases } = await verifier.ask({ want: 2 })
    const evaluations = leases.filter(lease => Job.parse(JSON.parse(lease.job)).task === 'evaluate')
    if (evaluations.length === 0) break
    for (const lease of evaluations) {
      const weights = lease.data.at(-1)?.sha256 ?? ''
      const run = runReport({ metric: { name: 'val_bpb', value: metricOf(weights) }, artifactSha256: null })
      await verifier.ask({ reports: [await verifier.report(lease.resultId, run)] })
      evaluated++
    }
  }
  await proveWeights(jobs.deps)
  await jobs.run()
  return evaluated
}

/** Asks for one result in these classes; throws where there is none. */
export async function takeOne(host: TestHost, engineClasses: readonly EngineClass[]): Promise<Lease> {
  const [lease] = (await host.ask({ want: 1, engineClasses })).leases
  if (lease === undefined) throw new Error(`nothing to compute for ${engineClasses.join(', ')}`)
  return lease
}

/** A campaign of one run in several classes: of one recipe, with this learning rate. */
export const nativeCampaign = (lr: number, changes: object): object => ({
  title: 'On whatever they have',
  ...{ kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { flops_per_run: 10e9, runs: 1, credits: 1000 },
  engines: ['wasm', 'onnx-cpu', 'onnx-cuda'],
  space: { lr: { choice: [lr] } },
  ...{ sampler: { name: 'grid' }, replicate: { quorum: 2, policy: 'fixed' }, baseline: false },
  ...changes,
})

const Marked = z.looseObject({ exactness: z.string() })

/** What corpus, result, export and leaderboard say of how exactly a published result was computed; and what is computed again. */
export async function exactnessSaid({ server }: Scene, campaign: string, lease: Lease) {
  const get = async (path: string) => (await server.call('GET', `/api/v1${path}`)).json
  const { run } = z.looseObject({ run: Marked }).parse(await get(`/corpus/${lease.workUnitId}`))
  const result = ResultView.parse(await get(`/results/${lease.resultId}`))
  const exported = (await server.call('GET', `/api/v1/campaigns/${campaign}/export`)).text
  const row = Marked.parse(JSON.parse(exported.split('\n')[0] ?? ''))
  const board = Leaderboard.parse(await get(`/campaigns/${campaign}/leaderboard`))
  const said = [run.exactness, result.exactness, row.exactness, ...board.rows]
  return { runKey: result.plan.runKey, said }
}
