import { CampaignFile } from '#protocol/campaign.ts'
import { KernelManifest } from '#protocol/kernel.ts'
import { type CampaignPlan, planCampaign } from '#search/plan.ts'

/** A kernel with every kind of parameter and a rule between two of them. */
export const manifest = KernelManifest.parse({
  ...{
    name: 'charlm',
    version: 0,
    serial: 1,
    engine: 'wasm',
    abi: 'xee-1',
    fuelTable: 'fuel-1',
    title: 'test',
  },
  recipe: {
    type: 'object',
    additionalProperties: false,
    properties: {
      lr: { type: 'number', minimum: 1e-5, maximum: 1, default: 0.001 },
      decay: { type: 'number', minimum: 0, maximum: 1, default: 0 },
      width: { type: 'integer', minimum: 8, maximum: 256, multipleOf: 8, default: 32 },
      heads: { type: 'integer', minimum: 1, maximum: 8, default: 2 },
      act: { type: 'string', enum: ['gelu', 'relu'], default: 'gelu' },
    },
  },
  rules: [{ divides: ['heads', 'width'] }],
  slots: [{ name: 'train', split: 'train' }],
  memoryPagesMax: 64,
  metric: { name: 'val_bpb', goal: 'minimize' },
  bounds: { fuelMax: 1e12, updatesMax: 1000 },
})

/** The same kernel with a native form, whose devices agree up to a rate of 0.2. */
export const calmManifest = KernelManifest.parse({
  ...manifest,
  native: {
    engines: ['onnx-wasm', 'onnx-cpu', 'onnx-cuda'],
    flops: { update: 1e6 },
    tolerance: { metric: 0.01, curve: 0.01, fingerprint: 0.1 },
    calm: [{ require: { ascend: ['lr', 0.2] }, of: ['lr'], because: 'devices agree on rates up to 0.2' }],
  },
})

export interface Given {
  readonly space: unknown
  readonly runs?: number
  readonly sampler?: unknown
  readonly recipe?: unknown
  readonly budget?: object
  readonly metric?: unknown
}

export const fileOf = ({
  space,
  runs = 4,
  sampler = { name: 'grid' },
  recipe = {},
  budget,
  metric,
}: Given): CampaignFile =>
  CampaignFile.parse({
    ...{ title: 'test', kernel: 'charlm@1', data: 'sotu-small@1', space, sampler, recipe },
    metric: metric ?? { name: 'val_bpb', goal: 'minimize' },
    budget: { runs, credits: 1, ...(budget ?? { fuel_per_run: 1e9 }) },
  })

export function planned(given: Given): CampaignPlan {
  const plan = planCampaign(fileOf(given), manifest)
  if (!plan.ok) throw new Error(plan.detail)
  return plan
}

/** The recipes from `from` on, each parameter in the order of `names`; a refusal ends the list as its code. */
export const recipes = (plan: CampaignPlan, names: readonly string[], from = 0): unknown[] =>
  [...plan.recipes(from)].map(p => (p.ok ? names.map(name => p.recipe[name]) : p.code))
