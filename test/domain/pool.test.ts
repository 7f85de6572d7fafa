import { describe, expect, test } from 'vitest'
import type { Patience } from '#domain/dispatch.ts'
import { type PoolSeat, type Seeker, seatsFor } from '#domain/pool.ts'
import { HostId, instant, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'

const id = (kind: string, n: number) => `${kind}_${String(n).padStart(26, '0')}`
const patience: Patience = { starvedBefore: instant(100), pairedBefore: instant(200) }

const seat = (n: number, changes: Partial<PoolSeat> = {}): PoolSeat => ({
  ...{ shelf: 'kept', lane: 'anyone', createdAt: instant(1_000), priority: 0, forTrusted: true },
  ...{ resultId: ResultId.parse(id('r', n)), workUnitId: WorkUnitId.parse(id('w', n)) },
  ...{ fuelMax: 10, engineClass: 'wasm', choices: null, memoryPages: 16 },
  ...{ ownerId: UserId.parse(id('u', 9)), parties: [], begunBy: [] },
  ...changes,
})
const host: Seeker = {
  ...{ hostId: HostId.parse(id('h', 1)), userId: null, ownerKey: 'host:1', prefix: null, trusted: false },
  ...{ provenFuel: {}, engineClasses: ['wasm'], memoryPages: 32 },
}
const proven: Seeker = { ...host, provenFuel: { wasm: 10 } }
const trusted: Seeker = { ...host, trusted: true }
const takes = (who: Seeker, seats: readonly PoolSeat[]): number[] =>
  seatsFor(who, seats, patience).map(({ workUnitId }) => Number(workUnitId.slice(2)))

describe('who may take a seat', () => {
  test.each<[string, Seeker, Partial<PoolSeat>, boolean]>([
    ['anybody what is for anyone', host, {}, true],
    ['a stranger what is kept for strangers', host, { lane: 'unproven' }, true],
    ['a stranger not what is kept for proven hosts', host, { lane: 'proven' }, false],
    [
      'a stranger what waited for them',
      host,
      { shelf: 'waiting', lane: 'proven', createdAt: instant(200) },
      true,
    ],
    ['but not before', host, { shelf: 'waiting', lane: 'proven', createdAt: instant(201) }, false],
    ['a proven host what is kept for it', proven, { lane: 'proven' }, true],
    ['not what is too large for its streak', proven, { lane: 'proven', fuelMax: 11 }, false],
    [
      'that once it waited',
      proven,
      { shelf: 'waiting', lane: 'proven', fuelMax: 11, createdAt: instant(9) },
      true,
    ],
    ['a volunteer no check', proven, { lane: 'verifier' }, false],
    ['a trusted host a check', trusted, { lane: 'verifier' }, true],
    ['not one that is held back', trusted, { lane: 'verifier', forTrusted: false }, false],
    ['a trusted host what starved', trusted, { shelf: 'waiting', createdAt: instant(100) }, true],
    ['not what only waited', trusted, { shelf: 'waiting', createdAt: instant(101) }, false],
    ['nobody more memory than it has', host, { memoryPages: 33 }, false],
    ['nobody another engine class', host, { engineClass: 'onnx-cpu' }, false],
    [
      'whoever offers one of several classes',
      host,
      { choices: [{ engineClass: 'wasm' }, { engineClass: 'onnx-cpu' }] },
      true,
    ],
    ['nobody a unit that its owner is in', host, { parties: ['host:1'] }, false],
    ['nobody a unit that its network is in', { ...host, prefix: 'a' }, { parties: ['network:a'] }, false],
    ['a trusted host beside whomever', trusted, { lane: 'verifier', parties: ['host:1'] }, true],
    ['nobody its own campaign', { ...host, userId: id('u', 9) }, {}, false],
  ])('%s', (_who, who, changes, may) => {
    expect(takes(who, [seat(1, changes)])).toEqual(may ? [1] : [])
  })
})

test('first what is kept for such hosts, then what waited, last what is for anyone; each urgent first, then the oldest', () => {
  const waited = { shelf: 'waiting', lane: 'unproven', createdAt: instant(1) } as const
  const pool = [
    ...[seat(7), seat(6, { priority: 1 }), seat(5, waited), seat(4, { lane: 'proven' })],
    ...[seat(3, { lane: 'proven' }), seat(8, { lane: 'proven', priority: 2 }), seat(2, waited)],
  ]
  expect(takes(proven, pool)).toEqual([8, 3, 4, 2, 5, 6, 7])
})
