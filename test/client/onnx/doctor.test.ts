// What `xeenet doctor` says of native engines, for machines that are not here.

import { describe, expect, test } from 'vitest'
import { type NativeFacts, nativeChecks } from '../../../client/node/commands/doctor-native.ts'

const PASSED = { ok: true, flopsPerSecond: 2.5e10 } as const
const FAILED = { ok: false, reason: 'its library cannot be loaded' } as const
const CPU = { provider: 'cpu', answer: PASSED } as const

const linux = (changes: Partial<NativeFacts> = {}): NativeFacts => ({
  ...{ platform: 'linux', version: '1.30.0', cards: ['nvidia'], driver: '560.1', cudaPart: true },
  tried: [{ provider: 'cuda', answer: FAILED }, { provider: 'webgpu', answer: FAILED }, CPU],
  ...changes,
})

describe('doctor on native engines', () => {
  test('without the package: WASM only, and the command', () => {
    const [check] = nativeChecks(linux({ version: undefined, tried: [] }))
    expect(check).toMatchObject({ ok: false, level: 'warn', found: expect.stringContaining('WASM only') })
    expect(check?.remedy).toContain('npm install onnxruntime-node')
  })

  test.each<[string, Partial<NativeFacts>, string]>([
    ['an NVIDIA card without a driver', { driver: undefined }, 'apt-get install nvidia-driver'],
    ['a driver, but no part for CUDA', { cudaPart: false }, 'npm rebuild onnxruntime-node'],
    ['all but the libraries of CUDA', {}, 'apt-get install nvidia-cuda-toolkit'],
    ['an AMD card', { cards: ['amd'] }, 'mesa-vulkan-drivers'],
    ['an Intel card', { cards: ['intel'] }, 'mesa-vulkan-drivers'],
    ['Windows', { platform: 'win32', cards: undefined }, 'winget upgrade'],
    ['macOS', { platform: 'darwin', cards: undefined }, 'softwareupdate'],
  ])('%s: the command that mends it', (_, facts, remedy) => {
    const [cpu, gpu] = nativeChecks(linux(facts))
    expect(cpu).toMatchObject({ ok: true, found: 'onnx-cpu at 25.0 GFLOP/s' })
    expect(gpu).toMatchObject({ name: 'gpu', ok: false, level: 'warn' })
    expect(gpu?.found).toContain('its library cannot be loaded')
    expect(gpu?.remedy).toContain(remedy)
  })

  test('a card that passes is named with its class and rate', () => {
    const tried = [{ provider: 'cuda', answer: { ok: true, flopsPerSecond: 4e12 } } as const, CPU]
    expect(nativeChecks(linux({ tried }))[1]).toMatchObject({
      ok: true,
      found: 'onnx-cuda at 4000.0 GFLOP/s (cuda)',
    })
  })

  test('where no card is visible nothing is amiss', () => {
    expect(nativeChecks(linux({ cards: [] }))[1]).toMatchObject({ ok: true })
  })

  test('a processor that fails its self-test is said', () => {
    const [cpu] = nativeChecks(linux({ tried: [{ provider: 'cpu', answer: FAILED }] }))
    expect(cpu).toMatchObject({ ok: false, found: expect.stringContaining('failed its self-test') })
  })
})
