import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXIT } from '#runtime/exit-codes.ts'
import { type Order, runJob, type Slice } from '#runtime/run.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { openHostStore } from '../../client/node/state-dir.ts'
import { resultId } from './peer.ts'
import { aReply } from './replies.ts'
import { reported, scripted, toyTask } from './toy.ts'
import {
  acceptAll,
  atTheGate,
  directory,
  ordinary,
  peerWith,
  sent,
  start,
  success,
  until,
} from './volunteering.ts'

describe('what is on disk survives', () => {
  /** A process that is gone at the given moment: its volunteer never answers again. */
  const dies: Compute = () => new Promise(() => undefined)

  test('a lease kept by a killed process is computed by the next, from its checkpoint', async () => {
    const peer = await ordinary([1])
    const first = await start(peer, {}, { compute: dies })
    await until(() => first.state().held.some(held => held.phase === 'running'))
    const half = await runJob(await toyTask({ seed: 1 }), scripted([...Array(19).fill('go'), 'stop']))
    if (half.type !== 'stopped') throw new Error('expected a stop')
    await first.ports.store.saveCheckpoint(resultId(1), half.checkpoint)
    const steps: number[] = []
    const watching: Compute = ({ task }, control) => {
      const eager = scripted()
      const gate = async (slice: Slice): Promise<Order> => {
        steps.push(slice.step)
        return 'go'
      }
      return runJob(task, { ...control, nowMs: eager.nowMs, gate })
    }
    const second = await start(peer, {}, { compute: watching })
    expect(await second.done).toBe(EXIT.ok)
    expect(steps[0]).toBe(21)
    const expected = reported(await runJob(await toyTask({ seed: 1 }), scripted()))
    expect(success(sent(peer).at(-1)).digest).toBe(expected.digest)
    expect(await readdir(join(directory, 'state', 'checkpoints'))).toEqual([])
    expect(await readdir(join(directory, 'state', 'leases'))).toEqual([])
  })

  test('a report that was never answered is sent by the next process, and not computed again', async () => {
    let deaf = false
    const peer = await peerWith(body => {
      if (deaf) return 'drop'
      deaf = sent(peer).length === 0 && body.want > 0
      return aReply({ reports: acceptAll(body), leases: deaf ? [lease] : [], retryAfterMs: 100 })
    })
    const lease = await peer.lease(1)
    const first = await start(peer)
    await until(() => sent(peer).length >= 3)
    first.send({ type: 'stop' })
    expect(await first.done).toBe(EXIT.ok)
    deaf = false
    const second = await start(peer, {}, { compute: dies })
    expect(await second.done).toBe(EXIT.ok)
    expect(second.news.some(event => event.ev === 'result.accepted')).toBe(true)
    expect(new Set(sent(peer).map(report => success(report).signature)).size).toBe(1)
    expect((await second.ports.store.load()).reports).toEqual([])
  })

  test('a disk without room for what a longer run would go on with loses no report', async () => {
    const peer = await ordinary([1])
    const keeping: Compute = async ({ task }, control) => {
      const outcome = await runJob(task, control)
      return outcome.type === 'report' ? { ...outcome, prefix: new Uint8Array(8) } : outcome
    }
    let tries = 0
    const store = {
      ...(await openHostStore(join(directory, 'state'))),
      savePrefix: async () => {
        tries += 1
        throw new Error('no space left')
      },
    }
    expect(await (await start(peer, {}, { compute: keeping, store })).done).toBe(EXIT.ok)
    expect(tries).toBe(1)
    expect(success(sent(peer).at(-1)).resultId).toBe(resultId(1))
  })

  test('damaged files in the state directory are dropped', async () => {
    const peer = await ordinary([1])
    await openHostStore(join(directory, 'state'))
    await writeFile(join(directory, 'state', 'leases', `${resultId(5)}.json`), '{"half')
    await writeFile(join(directory, 'state', 'outbox', `${resultId(6)}.json`), 'null')
    await writeFile(join(directory, 'state', 'checkpoints', resultId(7)), 'orphan')
    await writeFile(join(directory, 'state', 'leases', 'x.json.0a.tmp'), '{')
    expect(await (await start(peer)).done).toBe(EXIT.ok)
    expect(sent(peer).map(report => report.resultId)).toEqual([resultId(1)])
    expect(await readdir(join(directory, 'state', 'checkpoints'))).toEqual([])
  })

  test('call numbers grow over restarts, also when the directory was lost', async () => {
    const store = await openHostStore(join(directory, 'a'))
    const numbers = [await store.nextCall(1_000), await store.nextCall(1_000), await store.nextCall(5_000)]
    expect(numbers).toEqual([1_000, 1_001, 5_000])
    expect(await (await openHostStore(join(directory, 'a'))).nextCall(2_000)).toBe(5_001)
    expect(await (await openHostStore(join(directory, 'lost'))).nextCall(6_000)).toBe(6_000)
  })
})

describe('what the volunteer says to a run', () => {
  test('an abort ends it and nothing is reported', async () => {
    let computing = false
    const peer = await peerWith(body => {
      if (peer.seen.length === 1) return aReply({ leases: [lease], retryAfterMs: 10 })
      const abort = computing ? [{ resultId: resultId(1), reason: 'cancelled' }] : []
      return aReply({ abort, reports: acceptAll(body), retryAfterMs: 10 })
    })
    const lease = await peer.lease(1)
    const ended = Promise.withResolvers<void>()
    const obedient: Compute = (_run, _control, signal) =>
      new Promise((_, reject) => {
        computing = true
        signal.addEventListener('abort', () => {
          ended.resolve()
          reject(signal.reason)
        })
      })
    const { done, send } = await start(peer, { count: null }, { compute: obedient })
    await ended.promise
    send({ type: 'stop' })
    expect(await done).toBe(EXIT.ok)
    expect(sent(peer)).toEqual([])
  })

  test('stop gives a young run back as host_stopped', async () => {
    const peer = await ordinary([1])
    const { done, send, ports } = await start(peer, {}, { compute: atTheGate(() => send({ type: 'stop' })) })
    expect(await done).toBe(EXIT.ok)
    expect(sent(peer)[0]).toMatchObject({ outcome: 'error', code: 'host_stopped' })
    expect((await ports.store.load()).leases).toEqual([])
  })

  test('stop keeps a run that has computed for more than a minute, with its checkpoint', async () => {
    const peer = await ordinary([1])
    const slow: Compute = async (run, control, signal) => {
      const outcome = await atTheGate(() => send({ type: 'stop' }))(run, control, signal)
      return { ...outcome, cpuMs: 61_000 }
    }
    const { done, send, ports } = await start(peer, {}, { compute: slow })
    expect(await done).toBe(EXIT.ok)
    expect(sent(peer)).toEqual([])
    expect((await ports.store.load()).leases.map(lease => lease.resultId)).toEqual([resultId(1)])
    expect((await ports.store.checkpoint(resultId(1)))?.length).toBeGreaterThan(65_536)
  })

  test('a pause saves the run, holds it at the gate, and a resume lets it end with the same digest', async () => {
    const peer = await ordinary([1])
    let paused = false
    const { done, send, ports, state } = await start(
      peer,
      {},
      {
        compute: atTheGate(() => {
          if (!paused) send({ type: 'control', to: { state: 'pause' } })
          paused = true
        }),
      },
    )
    await until(async () => (await ports.store.checkpoint(resultId(1))) !== undefined)
    expect(state().pauses).toEqual(['user'])
    expect(sent(peer)).toEqual([])
    send({ type: 'control', to: { state: 'run' } })
    expect(await done).toBe(EXIT.ok)
    const expected = reported(await runJob(await toyTask({ seed: 1 }), scripted()))
    expect(success(sent(peer)[0]).digest).toBe(expected.digest)
  })

  test('a share of a quarter sleeps three times as long as it computes', async () => {
    const peer = await ordinary([1])
    const slept: number[] = []
    const { done } = await start(
      peer,
      {},
      {
        compute: atTheGate(() => undefined),
        share: () => 0.25,
        sleep: async ms => {
          slept.push(ms)
          await new Promise(resolve => setImmediate(resolve))
        },
      },
    )
    expect(await done).toBe(EXIT.ok)
    expect(slept.filter(ms => ms === 180).length).toBeGreaterThan(30)
  })
})
