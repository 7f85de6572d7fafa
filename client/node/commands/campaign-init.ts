import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { CAMPAIGN_SCHEMA_PATH } from '#protocol/campaign-schema.ts'
import { PriceList } from '#protocol/credits.ts'
import type { DatasetManifest } from '#protocol/dataset.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { DatasetList, KernelList } from '#protocol/lists.ts'
import { ask } from '#runtime/api.ts'
import { draftCampaign, fittingDataset } from '../campaign-draft.ts'
import { usage } from '../failure.ts'
import { contextOf, options } from '../options.ts'
import { verb } from '../verb.ts'

/** `xeenet campaign init KERNEL`: a file to begin with, from what the server has. */
export const initCommand = (): Command =>
  verb('init', 'a commented campaign file for a kernel, to begin with', init)
    .argument('<kernel>', 'charlm, or charlm@1; GET /api/v1/kernels lists them')
    .option('--data <name>', 'name@version; otherwise the smallest that the kernel can read')
    .option('-o, --output <file>', 'write a new file instead of printing')

const Options = z.object({ data: z.string().optional(), output: z.string().optional() })

async function init(command: Command, name: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { data, output } = options(Options, command)
  const { kernels } = await ask(endpoint, KernelList, { method: 'GET', path: '/api/v1/kernels' })
  const manifest = kernelNamed(
    name,
    kernels.map(kernel => kernel.manifest),
  )
  const { datasets } = await ask(endpoint, DatasetList, { method: 'GET', path: '/api/v1/datasets' })
  const dataset = datasetNamed(data, manifest, datasets)
  const { prices, checkingShare } = await ask(endpoint, PriceList, { method: 'GET', path: '/api/v1/prices' })
  const price = prices.find(({ engineClass }) => engineClass === manifest.engine)
  const text = draftCampaign({
    ...{ manifest, dataset, checkingShare },
    priceMilliPerGfuel: price?.milli ?? 0,
    schemaUrl: new URL(CAMPAIGN_SCHEMA_PATH, endpoint.server).href,
  })
  if (output === undefined) return talk.data(talk.json ? JSON.stringify({ file: text }) : text.trimEnd())
  await writeNew(output, text)
  talk.data(talk.json ? JSON.stringify({ output }) : output)
  talk.say(`Edit it, then: xeenet campaign validate ${output}`)
}

/** The newest version, unless one is named. */
function kernelNamed(name: string, all: readonly KernelManifest[]): KernelManifest {
  const found = all
    .filter(kernel => kernel.name === name || `${kernel.name}@${kernel.version}` === name)
    .toSorted((a, b) => b.version - a.version)[0]
  if (found !== undefined) return found
  const names = [...new Set(all.map(kernel => kernel.name))].sort().join(', ')
  throw usage(`${name}: this server has no such kernel; it has ${names === '' ? 'none' : names}`)
}

function datasetNamed(
  name: string | undefined,
  manifest: KernelManifest,
  all: readonly DatasetManifest[],
): DatasetManifest | undefined {
  if (manifest.slots.length === 0) return undefined
  const found =
    name === undefined
      ? fittingDataset(manifest, all)
      : all.find(dataset => `${dataset.name}@${dataset.version}` === name)
  if (found !== undefined) return found
  const names = all.map(dataset => `${dataset.name}@${dataset.version}`).join(', ')
  throw usage(
    `${name ?? 'data'}: this server has no such data set that ${manifest.name} can read; it has ${names}`,
  )
}

/** A file that somebody edited is never overwritten. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw usage(`${path}: there is such a file already`)
    throw error
  }
}
