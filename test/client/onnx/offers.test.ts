// Which engines a machine offers: by platform, by what passed its self-test there, and by what its owner allows.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EngineWish, findEngines } from '#client/node/native/offers.ts'
import { CLASS_OF, installedVersion, type Provider, providersOf } from '#client/node/native/runtime.ts'
import { thisEngine } from '../../../client/node/engine-memory.ts'
import { isMissing } from './session.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-offers-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test.each<[NodeJS.Platform, Provider[]]>([
  ['linux', ['cuda', 'webgpu', 'cpu', 'wasm']],
  ['win32', ['cuda', 'dml', 'webgpu', 'cpu', 'wasm']],
  ['darwin', ['coreml', 'webgpu', 'cpu', 'wasm']],
])('on %s the likely fastest is asked first, and the processor before WebAssembly', (platform, providers) => {
  expect(providersOf(platform)).toEqual(providers)
})

test('a GPU without a class of its own is in that of any GPU', () => {
  expect(CLASS_OF).toEqual({
    ...{ cuda: 'onnx-cuda', dml: 'onnx-webgpu', coreml: 'onnx-webgpu', webgpu: 'onnx-webgpu' },
    ...{ cpu: 'onnx-cpu', wasm: 'onnx-wasm' },
  })
})

type Answers = Partial<Record<Provider, number | string>>

/** What is found where these self-tests were made lately: a rate, or why an engine failed. */
async function found(platform: NodeJS.Platform, answers: Answers, wish: Partial<EngineWish> = {}) {
  const tried = Object.entries(answers).map(([provider, answer]) => ({
    provider,
    answer: typeof answer === 'number' ? { ok: true, flopsPerSecond: answer } : { ok: false, reason: answer },
  }))
  const machine = `${thisEngine()}, onnxruntime ${installedVersion()}`
  await writeFile(join(directory, 'native.json'), JSON.stringify({ machine, atMs: Date.now(), tried }))
  return findEngines(directory, { classes: 'auto', gpu: 'auto', ...wish }, platform)
}

describe.skipIf(isMissing)('of what passed', () => {
  test.each<[string, NodeJS.Platform, Answers, Partial<EngineWish>, string[], string[]]>([
    [
      'CUDA and the processor',
      'linux',
      { cuda: 9e12, webgpu: 'no adapter', cpu: 5e10 },
      {},
      ['cuda', 'cpu'],
      ['webgpu'],
    ],
    [
      'of two that share a class the faster',
      'win32',
      { cuda: 'no driver', dml: 2e12, webgpu: 3e12, cpu: 5e10 },
      {},
      ['webgpu', 'cpu'],
      ['cuda'],
    ],
    [
      'the processor alone where no card is to be used',
      'linux',
      { cuda: 9e12, webgpu: 3e12, cpu: 5e10 },
      { gpu: 'none' },
      ['cpu'],
      [],
    ],
    [
      'the classes that are named',
      'darwin',
      { coreml: 2e12, webgpu: 1e12, cpu: 5e10 },
      { classes: ['onnx-webgpu'] },
      ['coreml'],
      [],
    ],
    ['WebAssembly only if it is named', 'linux', { wasm: 1e9 }, { classes: ['onnx-wasm'] }, ['wasm'], []],
  ])('%s', async (_, platform, answers, wish, offered, missing) => {
    const engines = await found(platform, answers, wish)
    expect(engines.offers.map(({ provider }) => provider)).toEqual(offered)
    expect(engines.missing.map(({ engine }) => engine)).toEqual(missing)
    expect(engines.wasm).toBe(wish.classes === undefined)
  })
})
