import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { packRelease } from '#kernels/package.ts'
import { canonicalJson, sha256, utf8 } from '#protocol/canonical.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'
import { runJob } from '#runtime/run.ts'
import { openEngine } from '../../client/node/engine.ts'
import { openEngineMemory } from '../../client/node/engine-memory.ts'
import { type KnownRelease, readyKernel } from '../../client/node/known-kernels.ts'
import { hasAvx2, tryFastEngine } from '../../client/node/trial.ts'
import { scripted, toyManifest, toyModule } from './toy.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-engine-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const WRONG = Sha256.parse('0'.repeat(64))
const lie = async (): Promise<Partial<KernelManifest>> => {
  const { selfTest } = await toyManifest()
  if (selfTest === undefined) throw new Error('the toy has a self-test')
  return { selfTest: { ...selfTest, digest: WRONG } }
}

async function toy(changes: Partial<KernelManifest> = {}): Promise<KnownRelease> {
  const module = await toyModule()
  const manifest = utf8(canonicalJson(await toyManifest(changes)))
  const release = await packRelease({ manifest, module, source: new Map() })
  return { release, releaseSha256: await sha256(release), moduleSha256: await sha256(module) }
}

const here = (task: Parameters<typeof runJob>[0]) => runJob(task, scripted())

describe('the fast engine, in a process of its own', () => {
  test('passes the self-test of a kernel', async () => {
    expect(await tryFastEngine(await toy())).toMatchObject({ ok: true })
  })

  test('fails one whose published digest is another, and says both', async () => {
    const tried = await tryFastEngine(await toy(await lie()))
    expect(tried).toMatchObject({
      ok: false,
      reason: expect.stringContaining('where all others get 000000000000'),
    })
  })

  test('fails by taking too long, and by a release that cannot be read', async () => {
    expect(await tryFastEngine(await toy(), 1)).toEqual({ ok: false, reason: 'no end within 1 ms' })
    const damaged = { ...(await toy()), release: new Uint8Array(3) }
    expect(await tryFastEngine(damaged)).toMatchObject({ ok: false })
  })
})

describe('the choice', () => {
  const tooSlow = (known: KnownRelease) => tryFastEngine(known, 1)

  test('strict is by request; a failed trial makes auto strict, now and at the next start', async () => {
    const memory = await openEngineMemory(directory)
    const known = await toy()
    expect(await openEngine({ choice: 'strict', memory, known })).toMatchObject({ kind: 'strict' })
    const failed = await openEngine({ choice: 'fast', memory, known, trial: tooSlow })
    expect(failed).toMatchObject({ kind: 'strict', why: 'the fast engine failed here: no end within 1 ms' })
    const later = await openEngine({ choice: 'auto', memory: await openEngineMemory(directory), known })
    expect(later.kind).toBe('strict')
  })

  test('where AVX2 shows, auto is fast; what passed once is not tried again', async () => {
    const known = await toy()
    const tried: string[] = []
    const trial = (kernel: KnownRelease) => {
      tried.push(kernel.moduleSha256)
      return tryFastEngine(kernel)
    }
    for (let start = 1; start <= 2; start++) {
      const memory = await openEngineMemory(directory)
      const engine = await openEngine({ choice: 'auto', memory, known, trial })
      expect(engine.kind).toBe((await hasAvx2()) ? 'fast' : 'strict')
      expect(await engine.prove(await readyKernel(known), here)).toEqual({ ok: true })
    }
    expect(tried).toHaveLength((await hasAvx2()) ? 1 : 0)
  })

  test.each([
    ['win32', 'x64'],
    ['linux', 'arm64'],
  ] as const)('%s on %s shows none', async (platform, arch) => {
    expect(await hasAvx2(platform, arch)).toBe(false)
  })
})

describe('a kernel is proved once a process', () => {
  test('by the digest published with it; another one is final under the strict engine', async () => {
    const memory = await openEngineMemory(directory)
    const engine = await openEngine({ choice: 'strict', memory, known: undefined })
    let runs = 0
    const counted = (task: Parameters<typeof runJob>[0]) => {
      runs += 1
      return here(task)
    }
    const kernel = await readyKernel(await toy())
    for (let again = 0; again < 3; again++) expect(await engine.prove(kernel, counted)).toEqual({ ok: true })
    expect(runs).toBe(1)
    const other = await openEngine({ choice: 'strict', memory, known: undefined })
    const wrong = await readyKernel(await toy(await lie()))
    expect(await other.prove(wrong, here)).toMatchObject({ ok: false, again: false })
  })

  test('without a self-test in its manifest it is not computed', async () => {
    const memory = await openEngineMemory(directory)
    const engine = await openEngine({ choice: 'strict', memory, known: undefined })
    const { selfTest: _, ...manifest } = await toyManifest()
    const kernel = { ...(await readyKernel(await toy())), manifest }
    const fitness = await engine.prove(kernel, here)
    expect(fitness).toMatchObject({ ok: false, reason: 'toy@0: its manifest states no self-test' })
  })

  test('a failure under the fast engine is remembered, and its kernel is the first to be tried at the next start', async () => {
    const memory = await openEngineMemory(directory)
    const engine = await openEngine({ choice: 'fast', memory, known: undefined })
    const wrong = await readyKernel(await toy(await lie()))
    expect(await engine.prove(wrong, here)).toMatchObject({ ok: false, again: true })
    const remembered = (await openEngineMemory(directory)).read()
    expect(remembered).toMatchObject({ passed: [], lastRelease: wrong.releaseSha256 })
    expect(remembered.failure).toContain('toy@0')
  })
})

describe('what a machine remembers', () => {
  test('holds for one Node on one processor; damage counts as nothing', async () => {
    const memory = await openEngineMemory(directory, 'node 1, cpu A')
    await memory.change({ passed: [WRONG], failure: 'slow', lastRelease: WRONG })
    expect((await openEngineMemory(directory, 'node 1, cpu A')).read().passed).toEqual([WRONG])
    const moved = (await openEngineMemory(directory, 'node 2, cpu A')).read()
    expect(moved).toMatchObject({ passed: [], failure: null, lastRelease: WRONG })
    await writeFile(join(directory, 'engine.json'), '{"machine"')
    expect((await openEngineMemory(directory, 'node 1, cpu A')).read().passed).toEqual([])
    expect(await readFile(join(directory, 'engine.json'), 'utf8')).toBe('{"machine"')
  })
})
