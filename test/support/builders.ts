import { createHash } from 'node:crypto'
import type { Knex } from 'knex'
import type { Lane } from '#domain/types.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { DatasetManifest } from '#protocol/dataset.ts'
import { jobText, runKeyOf } from '#protocol/job.ts'
import { KernelManifest } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import type { RunReport } from '#protocol/report.ts'
import { generateEd25519, signBytes } from '#protocol/signature.ts'
import {
  type CampaignId,
  type Instant,
  instant,
  type ResultId,
  Sha256,
  type UserId,
  type WorkUnitId,
} from '#protocol/units.ts'
import { idsFrom } from '#server/ids.ts'
import { type Blobs, openBlobs } from '#store/blobs.ts'
import { insertDataset } from '#store/datasets.ts'
import { insertFile } from '#store/files.ts'
import { insertKernel, type KernelRow } from '#store/kernels.ts'
import { insertToken, newTokenText, type Scope, tokenHash } from '#store/tokens.ts'
import { insertUser } from '#store/users.ts'

export const T0: Instant = instant(Date.UTC(2026, 10, 22, 12))

export const sha256 = (bytes: string | Uint8Array): Sha256 =>
  Sha256.parse(createHash('sha256').update(bytes).digest('hex'))

let counter = 0
/** Ids that differ and sort by their making; the same in every run of a test file. */
export const testIds = idsFrom(bytes => {
  const random = new Uint8Array(bytes)
  for (let rest = ++counter, i = bytes - 1; rest > 0; rest = Math.floor(rest / 32), i--) random[i] = rest % 32
  return random
})

const TINY_MANIFEST = KernelManifest.parse({
  name: 'tiny',
  version: 0,
  serial: 1,
  engine: 'wasm',
  abi: 'xee-1',
  fuelTable: 'fuel-1',
  title: 'A kernel that exists only as a row',
  recipe: {
    type: 'object',
    additionalProperties: false,
    properties: {
      lr: { type: 'number', minimum: 0.0001, maximum: 1, default: 0.01 },
      width: { type: 'integer', minimum: 8, maximum: 64, multipleOf: 8, default: 16 },
    },
  },
  slots: [
    { name: 'train', split: 'train' },
    { name: 'val', split: 'val' },
  ],
  memoryPagesMax: 256,
  metric: { name: 'val_bpb', goal: 'minimize' },
  bounds: { fuelMax: 1e12, updatesMax: 1000 },
})

/** An admitted kernel and an imported data set, with their files, made without computing anything. */
export interface Stock {
  readonly blobs: Blobs
  readonly kernel: KernelRow
  readonly dataset: DatasetManifest
  readonly train: Uint8Array
}

export async function stock(knex: Knex, directory: string): Promise<Stock> {
  const blobs = await openBlobs(directory)
  const train = Buffer.from('the quick brown fox jumps over the lazy dog. '.repeat(1000))
  const val = Buffer.from('pack my box with five dozen liquor jugs. '.repeat(10))
  const release = Buffer.from('not really a tar')
  for (const [bytes, kind] of [
    [train, 'data'],
    [val, 'data'],
    [release, 'kernel'],
  ] as const) {
    await insertFile(knex, { sha256: await blobs.put(bytes), bytes: bytes.length, kind, now: T0 })
  }
  const body = {
    name: 'fox',
    version: 1,
    source: { package: 'none', version: '1' },
    licence: 'CC0-1.0',
    transform: 'none',
    splits: [
      { name: 'train' as const, bytes: train.length, sha256: sha256(train) },
      { name: 'val' as const, bytes: val.length, sha256: sha256(val) },
    ],
    baselines: {
      unigram: 4.1,
      wittenBell: [3.5, 3.1, 2.9, 2.8, 2.85] as [number, number, number, number, number],
    },
  }
  const dataset: DatasetManifest = { ...body, sha256: sha256(canonicalJson(body)) }
  await insertDataset(knex, dataset, T0)
  const kernel = await addKernel(knex, TINY_MANIFEST, sha256(release))
  return { blobs, kernel, dataset, train }
}

/** Stores a kernel row under a signature of a throw-away operator. */
async function addKernel(knex: Knex, manifest: KernelManifest, releaseSha256: Sha256): Promise<KernelRow> {
  const moduleSha256 = sha256(`module of ${manifest.name}@${manifest.version}`)
  const { name, version, serial } = manifest
  const keyId = sha256('operator')
  const statement = {
    type: 'xeenet/kernel-release/1' as const,
    ...{ name, version, serial, releaseSha256, moduleSha256, keyId },
  }
  const { privateKey } = await generateEd25519()
  const signature = await signBytes(privateKey, Buffer.from(canonicalJson(statement)))
  const row: KernelRow = {
    moduleSha256,
    releaseSha256,
    name,
    version,
    serial,
    manifest,
    statement,
    signature,
    deprecatedAt: null,
  }
  const outcome = await insertKernel(knex, row, T0)
  if (outcome !== 'created') throw new Error(outcome)
  return row
}

/** A user with a token of these scopes and this many milli-credits, straight from the mint. */
export async function addUser(
  knex: Knex,
  name: string,
  { scopes = ['enrol', 'campaign'], milli = 0 }: { scopes?: readonly Scope[]; milli?: number } = {},
): Promise<{ id: UserId; token: string }> {
  const id = testIds.user(T0)
  await insertUser(knex, { id, name, roles: ['researcher'], createdAt: T0 })
  if (milli > 0) await fund(knex, `user:${id}`, milli)
  return { id, token: await addToken(knex, id, { scopes }) }
}

export async function addToken(
  knex: Knex,
  userId: UserId,
  { scopes, expiresAt = null }: { scopes: readonly Scope[]; expiresAt?: Instant | null },
): Promise<string> {
  const token = newTokenText('user')
  const id = testIds.token(T0)
  await insertToken(knex, {
    id,
    userId,
    hash: tokenHash(token),
    scopes,
    label: 'test',
    createdAt: T0,
    expiresAt,
  })
  return token
}

async function fund(knex: Knex, account: string, milli: number): Promise<void> {
  const accounts = `insert into accounts (name, balance_milli) values ('mint', 0), (:account, 0) on conflict do nothing`
  await knex.raw(accounts, { account })
  await knex.raw(
    `insert into transfers (key, kind, debit, credit, amount_milli, created_at)
     values (:key, 'starter', 'mint', :account, :milli, now())`,
    { key: `starter:${account}`, account, milli },
  )
  await knex.raw(
    `update accounts set balance_milli = balance_milli + case name when 'mint' then -cast(:milli as bigint) else :milli end
     where name in ('mint', :account)`,
    { account, milli },
  )
}

export interface UnitSpec {
  readonly quorum?: number
  readonly results?: number
  readonly kind?: 'replica' | 'check'
  readonly fuel?: number
  readonly deadlineMs?: number
  readonly graceMs?: number
  readonly createdAt?: Instant
  readonly priority?: number
  readonly policy?: 'adaptive' | 'fixed'
  readonly lane?: Lane // of its replicas
}

export interface MadeUnit {
  readonly id: WorkUnitId
  readonly resultIds: readonly ResultId[]
}

/** A running campaign with open work units whose results are unsent. */
export async function addCampaign(
  knex: Knex,
  { kernel, dataset }: Stock,
  owner: UserId,
  units: readonly UnitSpec[],
): Promise<{ id: CampaignId; units: MadeUnit[] }> {
  const id = testIds.campaign(T0)
  const file = {
    title: 'Which learning rate?',
    kernel: 'tiny@0',
    data: 'fox@1',
    metric: { name: 'val_bpb', goal: 'minimize' },
    budget: { fuel_per_run: 1e9, runs: Math.max(1, units.length), credits: 1000 },
    baseline: false,
    recipe: {},
    space: { lr: { log: [0.001, 0.1] } },
    sampler: { name: 'random', seed: 0 },
    replicate: { quorum: 2, seeds: 1 },
  }
  await knex.raw(
    `insert into campaigns (id, owner_id, title, file, kernel_sha256, dataset_sha256, experiments_planned,
       experiments_created, price_milli_per_gfuel, reserved_milli, body_sha256, created_at)
     values (:id, :owner, :title, :file, :kernel, :dataset, :planned, :created, 10, 0, :body, :now)`,
    {
      ...{ id, owner, title: file.title, file: JSON.stringify(file), kernel: kernel.moduleSha256 },
      ...{ dataset: dataset.sha256, planned: Math.max(1, units.length), created: units.length },
      ...{ body: sha256(id), now: new Date(T0) },
    },
  )
  const made: MadeUnit[] = []
  for (const [ordinal, unit] of units.entries())
    made.push(await addUnit(knex, { id, kernel, dataset }, ordinal, unit))
  return { id, units: made }
}

async function addUnit(
  knex: Knex,
  campaign: { id: CampaignId; kernel: KernelRow; dataset: DatasetManifest },
  ordinal: number,
  spec: UnitSpec,
): Promise<MadeUnit> {
  const { quorum = 2, results = quorum, kind = 'replica', fuel = 1e9, createdAt = T0 } = spec
  const { lane = kind === 'check' ? 'verifier' : 'anyone' } = spec
  const now = new Date(createdAt)
  const experimentId = testIds.experiment(T0)
  const id = testIds.workUnit(createdAt)
  const recipe = { lr: (ordinal + 1) / 10_000, width: 16 }
  await knex.raw(
    `insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, created_at)
     values (:experimentId, :campaign, :ordinal, :recipe, :hash, :now)`,
    {
      ...{ experimentId, campaign: campaign.id, ordinal, recipe: JSON.stringify(recipe) },
      ...{ hash: sha256(canonicalJson(recipe)), now },
    },
  )
  const job = { kernel: 'tiny@0', task: 'train', recipe, seed: 7, limit: { fuel }, marks: MARKS } as const
  const data = campaign.dataset.splits.map(split => split.sha256)
  const { priority = 0, policy = 'fixed', deadlineMs = 60_000, graceMs = 60_000 } = spec
  const kernel = campaign.kernel.moduleSha256
  await knex.raw(
    `with made as (insert into work_units (id, campaign_id, experiment_id, seed_index, seed, job, run_key, engine_class, kernel_sha256,
       min_quorum, target_results, max_error_results, max_total_results, max_success_results, deadline_ms, grace_ms,
       give_up_ms, fuel_max, priority, policy, created_at)
     values (:id, :campaign, :experimentId, 0, 7, :job, :runKey, 'wasm', :kernel, :quorum, :quorum, 4, 12, 6, :deadlineMs,
       :graceMs, 3600000, :fuel, :priority, :policy, :now) returning campaign_id, id)
     insert into live_units select campaign_id, id from made`,
    {
      ...{ id, campaign: campaign.id, experimentId, job: jobText(job), quorum, fuel, now },
      ...{ runKey: await runKeyOf(kernel, data, job), kernel, priority, policy, deadlineMs, graceMs },
    },
  )
  const resultIds = Array.from({ length: results }, () => testIds.result(T0))
  for (const resultId of resultIds) {
    await knex.raw(
      `insert into results (id, work_unit_id, kind, lane, attempt, priority, created_at)
       values (:resultId, :id, :kind, :lane, 0, :priority, :now)`,
      { resultId, id, kind, lane, now, priority },
    )
  }
  return { id, resultIds }
}

/** A report that a kernel could have made. */
export function runReport(changes: Partial<RunReport> = {}): RunReport {
  const value = changes.metric?.value ?? 3.25
  return {
    status: 'ok',
    metric: { name: 'val_bpb', value },
    curve: [
      { update: 0, fuel: 0, train: 8, val: 8 },
      { update: 10, fuel: 1, train: 3.2, val: value },
    ],
    counters: { updates: 10, tokens: 640 },
    fuelUsed: 987_654_321,
    trace: Array.from({ length: MARKS }, (_, i) => sha256(`mark ${i} ${value}`)),
    artifactSha256: sha256(`weights ${value}`),
    ...changes,
  }
}
