import { describe, expect, test } from 'vitest'
import { loadRuntime } from '#client/node/native/runtime.ts'
import { probe, TEXT, TEXT_FLOPS } from '#client/onnx/probe.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { flopsOfUpdate } from '#protocol/native.ts'
import { manifestOf } from '../../assembly/any-kernel.ts'
import { DEVICES, isMissing, nativeRuntime } from './session.ts'

const nowMs = () => performance.now()

/** The same runtime, but for the numbers that `change` makes of each result. */
const wrong = (change: (name: string, data: Float32Array) => Float32Array): NativeRuntime => ({
  open: async model => {
    const session = await nativeRuntime().open(model)
    return {
      ...session,
      run: async feeds => {
        const entries = Object.entries(await session.run(feeds))
        return Object.fromEntries(
          entries.map(([name, tensor]) => [
            name,
            { ...tensor, data: change(name, new Float32Array(tensor.data as Float32Array)) },
          ]),
        )
      },
    }
  },
})

test('its rate counts the FLOPs that runs are paid by', () => {
  const { native } = manifestOf('charlm')
  if (native === undefined) throw new Error('charlm has a native form')
  expect(flopsOfUpdate(native, TEXT)).toBe(TEXT_FLOPS)
})

describe.skipIf(isMissing)('the self-test of a native engine', () => {
  test('passes on the processor, and on WebAssembly, with a rate', async () => {
    for (const runtime of [nativeRuntime(), await loadRuntime('wasm')]) {
      if (runtime === undefined) throw new Error('onnxruntime-web is not installed')
      const probed = await probe(runtime, nowMs)
      expect(probed).toMatchObject({ ok: true })
      if (probed.ok) expect(probed.flopsPerSecond).toBeGreaterThan(1e8)
    }
  })

  test.skipIf(DEVICES[1].isMissing)('passes on CUDA, faster than on the processor', async () => {
    const [cpu, cuda] = [await probe(nativeRuntime(), nowMs), await probe(DEVICES[1].runtime(), nowMs)]
    expect(cuda).toMatchObject({ ok: true })
    if (cpu.ok && cuda.ok) expect(cuda.flopsPerSecond).toBeGreaterThan(cpu.flopsPerSecond)
  })

  test('fails where moments are off by a half, and says at which update', async () => {
    // The moments are what a gradient leaves behind.
    const runtime = wrong((name, data) => (name.endsWith('.mean') ? data.map(x => x * 1.5) : data))
    expect(await probe(runtime, nowMs)).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^update \d/),
    })
  })

  test('an engine that cannot run at all fails with its own words', async () => {
    const runtime: NativeRuntime = { open: () => Promise.reject(new Error('no available backend found')) }
    expect(await probe(runtime, nowMs)).toEqual({ ok: false, reason: 'no available backend found' })
  })
})
