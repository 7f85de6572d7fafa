import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { KernelManifest } from '#protocol/kernel.ts'
import { planCampaign } from '#search/plan.ts'
import { draftCampaign, fittingDataset } from '../../client/node/campaign-draft.ts'
import { parseCampaign } from '../../client/node/campaign-file.ts'
import { manifest } from '../support/spaces.ts'

const source = (kernel: string): KernelManifest => {
  const text = readFileSync(join(import.meta.dirname, `../../assembly/${kernel}/manifest.json`), 'utf8')
  const file = JSON.parse(text)
  return KernelManifest.parse({ ...file, selfTest: { ...file.selfTest, digest: '0'.repeat(64) } })
}
const split = (name: string) => ({ name, bytes: 10, sha256: '0'.repeat(64) })
const text = { name: 'words', version: 2, splits: [split('train'), split('val')], baselines: null } as never
const about = {
  priceMilliPerGfuel: 10,
  checkingShare: 0.1,
  schemaUrl: 'https://x.example/schema/campaign/v1.json',
}

describe('a campaign file to begin with', () => {
  test.each(['charlm', 'vision', 'cartpole'])('for %s is a campaign that the server would take', name => {
    const kernel = source(name)
    const dataset = kernel.slots.length === 0 ? undefined : text
    const draft = draftCampaign({ manifest: kernel, dataset, ...about })
    const file = parseCampaign(draft, 'c.yaml')
    expect(file.kernel).toBe(`${name}@${kernel.version}`)
    const plan = planCampaign(file, kernel)
    expect(plan).toMatchObject({ ok: true, experiments: 16 })
    if (plan.ok) expect([...plan.recipes()].every(({ ok }) => ok)).toBe(true)
  })

  test('names its schema, and has a line for every parameter', () => {
    const draft = draftCampaign({ manifest, dataset: text, ...about })
    expect(draft.split('\n')[0]).toBe(
      '# yaml-language-server: $schema=https://x.example/schema/campaign/v1.json',
    )
    for (const name of Object.keys(manifest.recipe.properties))
      expect(draft).toMatch(new RegExp(`^ +(# )?${name}: `, 'm'))
    // 16 x 3 x 2 runs of 24 Gfuel at 10 milli-credits, a tenth, and a quarter on top
    expect(draft).toContain('credits: 32')
  })

  test('keeps what a stranger wrote about a parameter in its comment', () => {
    const lr = { ...manifest.recipe.properties.lr, description: 'a\nruns: 9\r\nrate: 1' }
    const changed = { ...manifest, title: 'x\nkernel: y', recipe: { ...manifest.recipe, properties: { lr } } }
    const file = parseCampaign(
      draftCampaign({ manifest: changed as never, dataset: text, ...about }),
      'c.yaml',
    )
    expect(Object.keys(file.space)).toEqual(['lr'])
  })
})

test('a data set fits by its splits and its metric', () => {
  const images = { ...(text as object), name: 'images', baselines: { frequencies: 3 } } as never
  expect(fittingDataset(manifest, [images, text])).toBe(text)
  expect(fittingDataset(manifest, [images])).toBeUndefined()
})
