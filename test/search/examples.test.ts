import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCampaign } from '#client/node/campaign-file.ts'
import { kernelFolders } from '#ops/kernels/build.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import { NO_DATA } from '#protocol/dataset.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { planCampaign } from '#search/plan.ts'
import { isDatasetName } from '#server/data/import.ts'
import { manifestOf } from '../assembly/any-kernel.ts'

const root = join(import.meta.dirname, '../..')
const manifests = kernelFolders().map(manifestOf)
const kernelOf = ({ kernel }: CampaignFile): KernelManifest =>
  manifests.find(({ name, version }) => `${name}@${version}` === kernel)!

const examples = globSync('ops/{examples,demo}/*.yaml', { cwd: root }).map(
  file => [basename(file), parseCampaign(readFileSync(join(root, file), 'utf8'), file)] as const,
)

test('there is an example for each kernel', () => {
  const kernels = new Set(examples.map(([, { kernel }]) => kernel))
  expect(kernels).toEqual(new Set(manifests.map(({ name, version }) => `${name}@${version}`)))
})

describe.each(examples)('%s', (_, file) => {
  test('asks what its kernel answers, with recipes that it takes', () => {
    const plan = planCampaign(file, kernelOf(file))
    if (!plan.ok) throw new Error(plan.detail)
    const recipes = [...plan.recipes()]
    expect(recipes.filter(({ ok }) => !ok)).toEqual([])
    // Of a searched campaign those that it begins with.
    expect(recipes).toHaveLength(plan.search === null ? file.budget.runs : 3)
  })

  test('names data that comes with this program, or none where its kernel reads none', () => {
    expect(isDatasetName(file.data)).toBe(true)
    expect(file.data === NO_DATA).toBe(kernelOf(file).slots.length === 0)
  })
})

test('a metric may be maximised only where the kernel says so', () => {
  const cartpole = examples.find(([name]) => name === 'cartpole.yaml')![1]
  const upside = { ...cartpole, metric: { name: 'mean_return', goal: 'minimize' } as const }
  expect(planCampaign(upside, kernelOf(cartpole))).toMatchObject({
    ok: false,
    code: 'campaign_invalid',
    detail: 'metric: the kernel gives mean_return, to maximize',
  })
})
