import { expect, test } from 'vitest'
import type { SchedulerReply } from '#protocol/scheduler.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { finished, lease, play, reply, start, tick, words } from './agent-play.ts'

import { aReply } from './replies.ts'
import { acceptAll, peerWith, sent, start as startVolunteer } from './volunteering.ts'

const demand = reply({ selfTest: true, retryAfterMs: 1 })
const tested = { type: 'tested', passed: true, detail: 'sound' } as const

const callOf = (effects: ReturnType<typeof play>['effects']) => effects.find(effect => effect.type === 'call')

test('a demanded self-test is run once, nothing is asked for meanwhile, and its answer goes out at once', () => {
  expect(words(play([start, demand]).effects)).toEqual(['self_test'])
  expect(words(play([start, demand, tick, tick]).effects)).toEqual([])
  const answered = play([start, demand, tested])
  expect(callOf(answered.effects)).toMatchObject({
    call: { selfTest: { passed: true, detail: 'sound' }, want: 2 },
  })
  expect(play([start, demand, tested, reply({})]).state.selfTest).toBeNull()
})

test('an answer that is ready while another call is under way waits for the next, and is not computed again', () => {
  const leased = reply({ leases: [lease(1)], selfTest: true })
  const underWay = play([start, leased, finished(1), tested, demand])
  expect(words(underWay.effects)).not.toContain('self_test')
  expect(callOf(underWay.effects)).toMatchObject({ call: { selfTest: { passed: true } } })
})

test('a second demand is a second test', () => {
  expect(words(play([start, demand, tested, demand]).effects)).toEqual(['self_test'])
})

test('`--once` does not take a demand for a lack of work', () => {
  expect(play([start, demand], { endWithoutWork: true }).state.ended).toBeNull()
})

test.each([
  ['a sound machine', async () => ({ passed: true, detail: 'sound' }), { passed: true, detail: 'sound' }],
  [
    'one whose test breaks',
    async () => {
      throw new Error('bad\u0007 memory')
    },
    { passed: false, detail: 'bad  memory' },
  ],
])('%s says so over the wire, and only then gets work', async (_what, selfTest, answer) => {
  const lease1 = { current: undefined as SchedulerReply['leases'][number] | undefined }
  const peer = await peerWith(body => {
    const leases = body.selfTest !== undefined && lease1.current !== undefined ? [lease1.current] : []
    const reports = acceptAll(body)
    if (body.selfTest === undefined && reports.length === 0) return aReply({ selfTest: true })
    return aReply({ leases, reports })
  })
  lease1.current = await peer.lease(1)
  const host = await startVolunteer(peer, {}, { selfTest })
  expect(await host.done).toBe(EXIT.ok)
  expect(peer.seen.flatMap(({ body }) => body.selfTest ?? [])).toEqual([answer])
  expect(host.news.map(({ ev }) => ev)).toContain('self-test')
})

test('a kernel without a self-test is declined; the machine is as good as before', async () => {
  const leases: SchedulerReply['leases'][number][] = []
  const peer = await peerWith(
    body => aReply({ leases: leases.splice(0), reports: acceptAll(body), retryAfterMs: 10 }),
    { selfTest: null },
  )
  leases.push(await peer.lease(1))
  const host = await startVolunteer(
    peer,
    {},
    { prove: async () => ({ ok: false, reason: 'none', again: false }) },
  )
  expect(await host.done).toBe(EXIT.failure) // of its one result
  expect(sent(peer)).toMatchObject([{ outcome: 'error', code: 'kernel_refused' }])
  expect(host.news.map(({ ev }) => ev)).not.toContain('blocked')
})
