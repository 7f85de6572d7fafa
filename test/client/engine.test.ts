import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { packRelease } from '#kernels/package.ts'
import { canonicalJson, sha256, utf8 } from '#protocol/canonical.ts'
import { Sha256 } from '#protocol/units.ts'
import { type KnownRelease, readyKernel } from '#runtime/known-release.ts'
import { runJob } from '#runtime/run.ts'
import { openDiskCache } from '../../client/node/disk-cache.ts'
import { openEngine } from '../../client/node/engine.ts'
import { openEngineMemory } from '../../client/node/engine-memory.ts'
import { releaseAtHand } from '../../client/node/known-kernels.ts'
import { hasAvx2, tryFastEngine } from '../../client/node/trial.ts'
import { scripted, type ToyChanges, toyManifest, toyModule } from './toy.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-engine-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const WRONG = Sha256.parse('0'.repeat(64))
const lie = async (): Promise<ToyChanges> => {
  const { selfTest } = await toyManifest()
  if (selfTest === undefined) throw new Error('the toy has a self-test')
  return { selfTest: { ...selfTest, digest: WRONG } }
}

async function toy(changes: ToyChanges = {}): Promise<KnownRelease> {
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

  test('is tried again after a signal that was meant for us all', async context => {
    if (process.platform !== 'linux') context.skip('looks for the child in /proc')
    const trying = tryFastEngine(await toy())
    const child = await vi.waitUntil(trialProcess, { timeout: 10_000, interval: 1 })
    process.kill(child, 'SIGTERM')
    expect(await trying).toMatchObject({ ok: true })
  })

  test('is not passed by a process that says something else and ends well', async () => {
    const { NODE_OPTIONS = '' } = process.env
    const talker = join(directory, 'talker.mjs')
    await writeFile(talker, 'console.log("hello")')
    vi.stubEnv('NODE_OPTIONS', `${NODE_OPTIONS} --import ${talker}`)
    try {
      expect(await tryFastEngine(await toy())).toEqual({ ok: false, reason: 'it ended with code 0' })
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

/** The process of a trial of ours, or undefined. */
async function trialProcess(): Promise<number | undefined> {
  for (const id of await readdir('/proc')) {
    if (!/^\d+$/.test(id)) continue
    const [stat, command] = await Promise.all(
      ['stat', 'cmdline'].map(name => readFile(join('/proc', id, name), 'utf8').catch(() => '')),
    )
    const parent = stat?.slice(stat.lastIndexOf(')')).split(' ')[2]
    if (Number(parent) === process.pid && command?.includes('trial-process')) return Number(id)
  }
  return undefined
}

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

  test('an accident is no answer: it is asked again', async () => {
    const memory = await openEngineMemory(directory)
    const engine = await openEngine({ choice: 'strict', memory, known: undefined })
    const kernel = await readyKernel(await toy())
    const lost = async () => {
      throw new Error('the thread is gone')
    }
    await expect(engine.prove(kernel, lost)).rejects.toThrow('the thread is gone')
    expect(await engine.prove(kernel, here)).toEqual({ ok: true })
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

describe('the kernel to be tested with', () => {
  test('is the last one, unless that is from before there were self-tests', async () => {
    const cache = await openDiskCache(directory)
    const [good, old] = [await toy(), await toy({ selfTest: null })]
    for (const { releaseSha256, release } of [good, old]) await cache.put(releaseSha256, release)
    const atHand = async (last: KnownRelease) =>
      (await releaseAtHand(cache, last.releaseSha256))?.releaseSha256
    expect(await atHand(good)).toBe(good.releaseSha256)
    expect(await atHand(old)).not.toBe(old.releaseSha256)
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
