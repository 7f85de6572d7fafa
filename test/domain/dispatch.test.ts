import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Asking,
  classFor,
  deal,
  leasesAllowed,
  mayTake,
  pairAfter,
  retryAfter,
  starveAfter,
} from '#domain/dispatch.ts'
import { LEASES_PER_CALL_MAX, LEASES_UNTRUSTED_MAX, RETRY_AFTER_MS_MAX } from '#protocol/limits.ts'
import { HostId, ResultId, WorkUnitId } from '#protocol/units.ts'

const id = (kind: string, n: number) => `${kind}_${String(n).padStart(26, '0')}`
const host = (n: number) => HostId.parse(id('h', n))
const result = (n: number) => ResultId.parse(id('r', n))
const unit = (n: number) => WorkUnitId.parse(id('w', n))

describe('how many leases a host may be given', () => {
  const terms = {
    ...{ want: 16, held: 0, cores: 8, trusted: false, proven: false, mayCompute: true },
    ...{ dailyQuota: 100, usedToday: 0, resent: 0 },
  }
  test.each([
    ['a stranger', {}, LEASES_UNTRUSTED_MAX],
    ['a stranger that holds one', { held: 1 }, 1],
    ['a stranger that holds more than it may', { held: 5 }, 0],
    ['one that has proven itself', { proven: true }, 16],
    ['one that has proven itself, with two cores', { proven: true, cores: 2 }, 4],
    ['one that wants nothing', { want: 0 }, 0],
    ['one whose quota is used up', { usedToday: 100 }, 0],
    ['one whose quota was halved below what it used', { usedToday: 100, dailyQuota: 50 }, 0],
    ['one that is to test itself first', { mayCompute: false }, 0],
    ['a trusted one', { trusted: true }, 16],
    ['a trusted one with two cores', { trusted: true, cores: 2 }, 4],
    ['a trusted one beyond its quota', { trusted: true, usedToday: 1000 }, 16],
    ['a trusted one to which leases are sent again', { trusted: true, resent: LEASES_PER_CALL_MAX - 1 }, 1],
  ])('%s', (_who, changes, allowed) => {
    expect(leasesAllowed({ ...terms, ...changes })).toBe(allowed)
  })
})

describe('dealing', () => {
  const table = fc
    .record({
      results: fc.integer({ min: 0, max: 40 }),
      replicas: fc.integer({ min: 1, max: 3 }),
      hosts: fc.array(
        fc.record({
          owner: fc.integer({ min: 0, max: 4 }),
          network: fc.option(fc.integer({ min: 0, max: 2 })),
          take: fc.integer({ min: 0, max: 6 }),
          skip: fc.nat(10),
        }),
        { maxLength: 8 },
      ),
      draws: fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 1, maxLength: 50 }),
    })
    .map(({ results, replicas, hosts, draws }) => {
      const candidates = Array.from({ length: results }, (_, i) => ({
        resultId: result(i),
        workUnitId: unit(Math.floor(i / replicas)),
      }))
      const asking: Asking[] = hosts.map(({ owner, network, take, skip }, i) => ({
        ...{ hostId: host(i), ownerKey: `user:${owner}`, take },
        prefix: network === null ? null : `network ${network}`,
        candidates: candidates.slice(skip),
      }))
      let draw = 0
      return { asking, random: () => draws[draw++ % draws.length] ?? 0 }
    })

  test('no result is dealt twice, no owner and no network is twice in a unit, nobody gets more than it may or what it cannot', () => {
    fc.assert(
      fc.property(table, ({ asking, random }) => {
        const dealt = deal(asking, random)
        expect(new Set(dealt.map(d => d.resultId)).size).toBe(dealt.length)
        const seats = dealt.flatMap(({ hostId, resultId }) => {
          const { ownerKey, prefix, candidates } = asking.find(a => a.hostId === hostId)!
          const { workUnitId } = candidates.find(c => c.resultId === resultId)!
          return [ownerKey, ...(prefix === null ? [] : [prefix])].map(party => `${party} ${workUnitId}`)
        })
        expect(new Set(seats).size).toBe(seats.length)
        for (const { hostId, take } of asking)
          expect(dealt.filter(d => d.hostId === hostId).length).toBeLessThanOrEqual(take)
      }),
      { numRuns: 10_000 },
    )
  })

  test('nothing that a host could still take is left over', () => {
    fc.assert(
      fc.property(table, ({ asking, random }) => {
        const dealt = deal(asking, random)
        const taken = new Set(dealt.map(d => d.resultId))
        for (const { hostId, ownerKey, prefix, take, candidates } of asking) {
          const isNear = (a: Asking) => a.ownerKey === ownerKey || (prefix !== null && a.prefix === prefix)
          if (dealt.filter(d => d.hostId === hostId).length === take) continue
          const mine = new Set(
            dealt
              .filter(d => isNear(asking.find(a => a.hostId === d.hostId)!))
              .map(d => asking.flatMap(a => a.candidates).find(c => c.resultId === d.resultId)!.workUnitId),
          )
          expect(candidates.filter(c => !taken.has(c.resultId) && !mine.has(c.workUnitId))).toEqual([])
        }
      }),
      { numRuns: 10_000 },
    )
  })

  test('pairs of owners mix: with the same partners at hand the draw decides who shares a unit', () => {
    const candidates = Array.from({ length: 8 }, (_, i) => ({
      resultId: result(i),
      workUnitId: unit(i >> 1),
    }))
    const asking = [0, 1].map(n => ({
      hostId: host(n),
      ownerKey: `user:${n}`,
      prefix: null,
      take: 1,
      candidates,
    }))
    const firsts = new Set([0, 0.3, 0.6, 0.9].map(draw => deal(asking, () => draw)[0]!.resultId))
    expect(firsts.size).toBe(4)
  })

  test('a host goes on with what it began, unless another was dealt that unit', () => {
    const candidates = Array.from({ length: 6 }, (_, i) => ({
      resultId: result(i),
      workUnitId: unit(i >> 1),
      goesOn: i >= 4,
    }))
    const asking = [0, 1].map(n => ({
      ...{ hostId: host(n), ownerKey: `user:${n}`, prefix: null, take: 1, candidates },
    }))
    for (const draw of [0, 0.3, 0.6, 0.9]) {
      const [first, second] = deal(asking, () => draw)
      expect([result(4), result(5)]).toContain(first!.resultId)
      const others = candidates.filter(({ resultId }) => resultId !== first!.resultId)
      expect(second!.resultId).toBe(others[Math.floor(draw * others.length)]!.resultId)
    }
  })

  test.each([
    ['what it goes on with; the next one what it has the data of', { goesOn: 6, atHand: [4, 5] }, [6, 4]],
    ['what it has the data of; who comes to that unit is drawn', { goesOn: -1, atHand: [4, 5] }, [4, 0]],
    ['the first, though it has the data of what is far behind', { goesOn: -1, atHand: [8, 9] }, [0, 8]],
  ])('a host is given %s', (_what, { goesOn, atHand }, given) => {
    const candidates = Array.from({ length: 10 }, (_, i) => ({
      ...{ resultId: result(i), workUnitId: unit(i >> 1) },
      ...{ goesOn: i === goesOn, atHand: atHand.includes(i) },
    }))
    const asking = [0, 1].map(n => ({
      ...{ hostId: host(n), ownerKey: `user:${n}`, prefix: null, take: 1, candidates },
    }))
    expect(deal(asking, () => 0).map(({ resultId }) => resultId)).toEqual(given.map(result))
  })
})

describe('who may take what', () => {
  const hosts = {
    stranger: { trusted: false, proven: false },
    proven: { trusted: false, proven: true },
    verifier: { trusted: true, proven: false },
  }
  const patience = { pairMs: 60, starveMs: 100 }
  test.each([
    ['anyone', 'at once', 'at once', 'starved'],
    ['proven', 'after a while', 'at once', 'starved'],
    ['unproven', 'at once', 'after a while', 'starved'],
    ['verifier', 'never', 'never', 'at once'],
  ] as const)('what is kept for %s: a stranger %s, a proven host %s, the verifier %s', (lane, ...words) => {
    const when = (host: { trusted: boolean; proven: boolean }): string => {
      const [first] = [0, 60, 100].filter(waitedMs => mayTake(host, { lane, waitedMs }, patience))
      return { 0: 'at once', 60: 'after a while', 100: 'starved' }[first ?? -1] ?? 'never'
    }
    expect([when(hosts.stranger), when(hosts.proven), when(hosts.verifier)]).toEqual(words)
  })

  test('nothing is kept for proven hosts while fewer than three owners have one', () => {
    expect([0, 2, 3].map(owners => pairAfter(owners, 60_000))).toEqual([0, 0, 60_000])
  })
})

describe('when to call again', () => {
  const middle = () => 0.5
  test.each([
    [0, 1_000],
    [2_000, 1_000],
    [20_000, 5_000],
    [3_600_000, RETRY_AFTER_MS_MAX],
  ])('idle for %i ms: after %i ms', (idleMs, wait) => {
    expect(retryAfter({ idleMs, retryMinMs: 1_000 }, middle)).toBe(wait)
  })

  test('always within 20 % of that', () => {
    expect(retryAfter({ idleMs: 0, retryMinMs: 1_000 }, () => 0)).toBe(800)
    expect(retryAfter({ idleMs: 0, retryMinMs: 1_000 }, () => 0.999_999)).toBe(1_200)
  })

  test('replicas starve at once when fewer than three owners are there', () => {
    expect([0, 2, 3, 10].map(owners => starveAfter(owners, 60_000))).toEqual([0, 0, 60_000, 60_000])
  })
})

describe('as what a host computes a unit of several classes', () => {
  const choices = [
    { engineClass: 'wasm', fuelMax: 1e15 },
    { engineClass: 'onnx-cpu', fuelMax: 60e9 },
    { engineClass: 'onnx-cuda', fuelMax: 60e9 },
  ] as const
  const MINUTE_MS = 60_000
  test.each([
    ['the only one that it offers', ['wasm'], {}, 'wasm'],
    [
      'its fastest',
      ['wasm', 'onnx-cpu', 'onnx-cuda'],
      { 'onnx-cpu': 2e9, 'onnx-cuda': 9e9, wasm: 1e9 },
      'onnx-cuda',
    ],
    [
      'one that it measured before one that it did not',
      ['wasm', 'onnx-cpu'],
      { 'onnx-cpu': 2e9 },
      'onnx-cpu',
    ],
    ['none in which it is too slow', ['wasm', 'onnx-cpu'], { 'onnx-cpu': 0.9e9 }, 'wasm'],
    ['nothing when it is too slow in all', ['onnx-cpu'], { 'onnx-cpu': 0.9e9 }, undefined],
    ['nothing when it offers other ones', ['onnx-webgpu'], {}, undefined],
  ] as const)('%s', (_, engineClasses, engineRates, chosen) => {
    expect(classFor(choices, { engineClasses, engineRates }, MINUTE_MS)).toBe(chosen)
  })

  test('whoever is dealt another result of a unit in the same breath computes it in the same class', () => {
    const candidate = (n: number, engineClass: 'wasm' | 'onnx-cpu') => ({
      ...{ resultId: result(n), workUnitId: unit(Math.ceil(n / 2)), engineClass },
    })
    const asking = (n: number, engineClass: 'wasm' | 'onnx-cpu'): Asking => ({
      ...{ hostId: host(n), ownerKey: `owner ${n}`, prefix: null, take: 4 },
      candidates: [1, 2, 3, 4].map(r => candidate(r, engineClass)),
    })
    const dealt = deal([asking(1, 'wasm'), asking(2, 'onnx-cpu'), asking(3, 'onnx-cpu')], () => 0)
    const unitOf = (r: string): string => String(Math.ceil(Number(r.slice(2)) / 2))
    const hostsOf = Map.groupBy(dealt, d => unitOf(d.resultId))
    for (const group of hostsOf.values()) {
      const isWasm = group.map(d => d.hostId === host(1))
      expect(new Set(isWasm).size).toBe(1)
    }
    expect(new Set(dealt.map(d => d.hostId)).size).toBeGreaterThan(1)
  })
})
