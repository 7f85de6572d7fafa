import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { canonicalJson, sha256, sha256Text, utf8 } from '#protocol/canonical.ts'
import { fingerprint, generateEd25519, signBytes } from '#protocol/signature.ts'
import { Sha256 } from '#protocol/units.ts'
import { backoffMs } from '#runtime/backoff.ts'
import { fetchByHash } from '#runtime/cache.ts'
import { hoursText, parseHours } from '#runtime/hours.ts'
import { acceptSuccessor, judgeRelease } from '#runtime/release.ts'
import { parseCampaign } from '../../client/node/campaign-file.ts'
import { coresOf } from '../../client/node/cores.ts'
import { openDiskCache } from '../../client/node/disk-cache.ts'
import { Failure } from '../../client/node/failure.ts'
import { lockStateDir } from '../../client/node/lock.ts'
import { othersBetween } from '../../client/node/machine.ts'
import { PRESETS, pausesFor } from '../../client/node/presets.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-client-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('backoff', () => {
  test('is fully jittered over a window that doubles up to five minutes', () => {
    expect([1, 2, 3, 20].map(attempt => backoffMs(attempt, () => 0))).toEqual([0, 0, 0, 0])
    const most = [1, 2, 3, 10, 11, 2_000].map(attempt => backoffMs(attempt, () => 0.999_999_9))
    expect(most).toEqual([499, 999, 1999, 255_999, 299_999, 299_999])
  })

  test('never comes back sooner than the server asked', () => {
    expect(backoffMs(1, () => 0, 7_000)).toBe(7_000)
    expect(backoffMs(1, () => 0.5, 7_000)).toBe(7_250)
  })
})

describe('files by hash', () => {
  const bytes = utf8('some data')

  test('a file is downloaded once and then comes from the cache', async () => {
    const hash = await sha256(bytes)
    const cache = await openDiskCache(directory)
    let downloads = 0
    const download = async () => {
      downloads += 1
      return bytes
    }
    expect(await fetchByHash(hash, { cache, download })).toEqual({ ok: true, bytes })
    const again = await fetchByHash(hash, { cache, download })
    expect(again.ok && (await sha256(again.bytes))).toBe(hash)
    expect(downloads).toBe(1)
  })

  test('a damaged file in the cache is fetched again', async () => {
    const hash = await sha256(bytes)
    await writeFile(join(directory, hash), 'damaged')
    const cache = await openDiskCache(directory)
    expect(await fetchByHash(hash, { cache, download: async () => bytes })).toEqual({ ok: true, bytes })
    expect(await sha256((await cache.get(hash)) ?? new Uint8Array())).toBe(hash)
  })

  test('a download damaged once is repeated, damaged twice is download_corrupt, and nothing is kept', async () => {
    const hash = await sha256(bytes)
    const cache = await openDiskCache(directory)
    const answers = [utf8('wrong'), bytes]
    const download = async () => answers.shift() ?? utf8('wrong')
    expect(await fetchByHash(hash, { cache, download })).toMatchObject({ ok: true })
    await cache.drop(hash)
    expect(await fetchByHash(hash, { cache, download })).toMatchObject({
      ok: false,
      code: 'download_corrupt',
    })
    expect(await cache.get(hash)).toBeUndefined()
  })

  test('a server that cannot be reached is download_failed', async () => {
    const cache = await openDiskCache(directory)
    const download = async () => {
      throw new Error('connection refused')
    }
    expect(await fetchByHash(await sha256(bytes), { cache, download })).toMatchObject({
      ok: false,
      code: 'download_failed',
      detail: expect.stringContaining('connection refused'),
    })
  })

  test('a full cache forgets what was not used for longest', async () => {
    const cache = await openDiskCache(directory, 30)
    const hashes = []
    for (const [age, text] of ['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'].entries()) {
      const hash = await sha256Text(text)
      await cache.put(hash, utf8(text))
      await utimes(join(directory, hash), 1_000 + age, 1_000 + age)
      hashes.push(hash)
    }
    const [first, second, third] = hashes
    await cache.get(first!)
    expect(await cache.hashes()).toEqual([first, third, second])
    await utimes(join(directory, first!), 1_003, 1_003)
    expect(await (await openDiskCache(directory, 30)).hashes()).toEqual([first, third, second])
    await cache.put(await sha256Text('dddddddddd'), utf8('dddddddddd'))
    const kept = await readdir(directory)
    expect(kept).toContain(first)
    expect(kept).not.toContain(second)
    expect(kept).toContain(third)
  })
})

describe('trust in a release', () => {
  const hash = Sha256.parse('b'.repeat(64))

  async function signedBy(key: { publicKey: string; privateKey: string }, serial: number) {
    const keyId = Sha256.parse(await fingerprint(key.publicKey))
    const statement = {
      type: 'xeenet/kernel-release/1' as const,
      name: 'toy',
      version: 0,
      serial,
      releaseSha256: hash,
      moduleSha256: hash,
      keyId,
    }
    return {
      release: { statement, signature: await signBytes(key.privateKey, utf8(canonicalJson(statement))) },
      keys: [{ keyId, publicKey: key.publicKey }],
    }
  }

  test('a release signed by a pinned key is accepted and its serial remembered', async () => {
    const { release, keys } = await signedBy(await generateEd25519(), 3)
    expect(await judgeRelease(release, { keys, serials: {} })).toEqual({ ok: true, serials: { 'toy@0': 3 } })
    expect(await judgeRelease(release, { keys, serials: { 'toy@0': 3 } })).toMatchObject({ ok: true })
  })

  test.each([
    ['by a key that is not pinned', { keys: [] }, /not pinned/],
    ['with a lower serial than before', { serials: { 'toy@0': 4 } }, /older/],
  ])('a release %s is refused', async (_name, changed, reason) => {
    const { release, keys } = await signedBy(await generateEd25519(), 3)
    const judged = await judgeRelease(release, { keys, serials: {}, ...changed })
    expect(judged).toMatchObject({ ok: false, reason: expect.stringMatching(reason) })
  })

  test('a statement changed after signing is refused', async () => {
    const { release, keys } = await signedBy(await generateEd25519(), 3)
    const forged = { ...release, statement: { ...release.statement, serial: 9 } }
    expect(await judgeRelease(forged, { keys, serials: {} })).toMatchObject({ ok: false })
  })

  test('a new key is trusted only when a pinned one names it', async () => {
    const [old, next, stranger] = [await generateEd25519(), await generateEd25519(), await generateEd25519()]
    const oldKeyId = Sha256.parse(await fingerprint(old.publicKey))
    const keys = [{ keyId: oldKeyId, publicKey: old.publicKey }]
    const statement = { type: 'xeenet/key-successor/1' as const, oldKeyId, newPublicKey: next.publicKey }
    const bytes = utf8(canonicalJson(statement))
    const good = await acceptSuccessor(keys, { statement, signature: await signBytes(old.privateKey, bytes) })
    expect(good.ok && good.keys.map(k => k.publicKey)).toEqual([old.publicKey, next.publicKey])
    const signature = await signBytes(stranger.privateKey, bytes)
    expect(await acceptSuccessor(keys, { statement, signature })).toMatchObject({ ok: false })
  })
})

describe('how much of a machine is lent', () => {
  test.each([
    ['3', 8, 3],
    ['50%', 8, 4],
    ['50%', 1, 1],
    ['MAX', 8, 8],
    ['max-1', 8, 7],
    ['MAX-9', 8, 1],
    ['12', 8, 8],
    ['0', 8, undefined],
    ['many', 8, undefined],
    ['-1', 8, undefined],
  ])('--cores %s of %i cores is %s', (expression, available, cores) => {
    expect(coresOf(expression, available)).toBe(cores)
  })

  const calm = { onBattery: false, othersShare: 0, minuteOfDay: 12 * 60 }
  test.each([
    ['polite on a quiet plugged machine', 'polite', calm, [], []],
    ['polite on battery', 'polite', { ...calm, onBattery: true }, [], ['battery']],
    ['polite beside a build', 'polite', { ...calm, othersShare: 0.3 }, [], ['busy']],
    [
      'polite, others just below the limit, not paused before',
      'polite',
      { ...calm, othersShare: 0.2 },
      [],
      [],
    ],
    ['the same, paused before: no flicker', 'polite', { ...calm, othersShare: 0.2 }, ['busy'], ['busy']],
    ['polite, others gone', 'polite', { ...calm, othersShare: 0.1 }, ['busy'], []],
    ['overnight at noon', 'overnight', calm, [], ['schedule']],
    ['overnight at 23:00', 'overnight', { ...calm, minuteOfDay: 23 * 60 }, [], []],
    ['overnight at 06:59', 'overnight', { ...calm, minuteOfDay: 6 * 60 + 59 }, [], []],
    ['overnight at 07:00', 'overnight', { ...calm, minuteOfDay: 7 * 60 }, [], ['schedule']],
    ['all, on battery, beside a build', 'all', { ...calm, onBattery: true, othersShare: 1 }, [], []],
    ['a machine that cannot tell', 'polite', { onBattery: null, othersShare: null, minuteOfDay: 0 }, [], []],
  ] as const)('%s', (_name, preset, signals, before, expected) => {
    expect(pausesFor(PRESETS[preset], signals, before)).toEqual(expected)
  })

  test.each([
    ['22:00-07:00', [1320, 420] as const],
    ['9:30-17:00', [570, 1020] as const],
    ['24:00-07:00', undefined],
    ['all night', undefined],
  ])('the schedule %s', (text, expected) => {
    expect(parseHours(text)).toEqual(expected)
    if (expected !== undefined) expect(parseHours(hoursText([expected[0], expected[1]]))).toEqual(expected)
  })

  test("others' share leaves out what we use ourselves", () => {
    const before = { busyMs: 1_000, totalMs: 10_000, ownMs: 500 }
    expect(othersBetween(before, { busyMs: 1_800, totalMs: 11_000, ownMs: 900 })).toBeCloseTo(0.4, 12)
    expect(othersBetween(before, before)).toBeNull()
  })
})

describe('the state directory', () => {
  test('has one holder at a time', async () => {
    const first = await lockStateDir(directory)
    expect(await lockStateDir(directory)).toEqual({ holder: String(process.pid) })
    if ('holder' in first) throw new Error('expected the lock')
    first.release()
    const second = await lockStateDir(directory)
    expect(second).not.toHaveProperty('holder')
    if (!('holder' in second)) second.release()
  })
})

describe('campaign files', () => {
  const good = `
title: t
kernel: toy@0
data: d@1
metric: {name: m, goal: minimize}
budget: {fuel_per_run: 4000000, runs: 2, credits: 1}
space: {lr: {log: [0.001, 0.1]}}
sampler: {name: grid}
`
  test('YAML and JSON mean the same', () => {
    const file = parseCampaign(good, 'c.yaml')
    expect(file).toMatchObject({
      title: 't',
      replicate: { quorum: 2, seeds: 1 },
      sampler: { name: 'grid', seed: 0 },
    })
    expect(parseCampaign(JSON.stringify(file), 'c.json')).toEqual(file)
  })

  test.each([
    ['an unknown field', `${good}\nquorom: 3`, /quorom/],
    ['an impossible range', good.replace('[0.001, 0.1]', '[0.1, 0.001]'), /lower end/],
    ['no budget', good.replace(/budget.*\n/, ''), /budget/],
    ['two budgets', good.replace('runs: 2', 'runs: 2, updates_per_run: 3'), /either/],
    ['an alias', `${good}\nquestion: &a text\nrecipe: {b: *a}`, /alias|anchor/i],
    ['a tag', `${good}\nquestion: !!js/function x`, /tag/i],
    ['a key twice', `${good}\ntitle: u`, /unique/],
    ['two documents', `${good}\n---\n${good}`, /one document/],
    ['something that is not YAML', '{', /c\.yaml/],
    ['nothing', '', /c\.yaml/],
    [
      'a field that is too small, by line and column',
      good.replace('runs: 2', 'runs: 0'),
      /^c\.yaml:6:33: budget\.runs: /,
    ],
    [
      'an unknown field inside, by its own place',
      good.replace('runs: 2', 'runs: 2, cores: 4'),
      /^c\.yaml:6:42: budget\.cores: there is no such field/,
    ],
    ['an end of a range', good.replace('0.001', '-1'), /^c\.yaml:7:20: space\.lr\.log\.0: /],
    [
      'a field that is missing, by what should contain it',
      good.replace('name: m, ', ''),
      /^c\.yaml:5:1: metric\.name: /,
    ],
    ['an alias, by its place', `${good}\nquestion: t\nrecipe: {b: *a}`, /^c\.yaml:11:13: .*alias/i],
    ['bad YAML, by its place', good.replace('title: t', 'title: [t'), /^c\.yaml:\d+:\d+: /],
  ])('%s is refused, and the message says what', (_name, text, message) => {
    const read = () => parseCampaign(text, 'c.yaml')
    expect(read).toThrow(Failure)
    expect(read).toThrow(message)
  })
})
