import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '#protocol/canonical.ts'
import { reportBytes } from '#protocol/host.ts'
import { RunReport } from '#protocol/report.ts'
import { HostReport, type SchedulerBody, type SuccessReport } from '#protocol/scheduler.ts'
import { generateEd25519, verifyBytes } from '#protocol/signature.ts'
import type { AgentOptions } from '#runtime/agent-state.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { type Order, runJob, type Slice } from '#runtime/run.ts'
import { type Compute, type Ports, type VolunteerNews, volunteer } from '#runtime/volunteer.ts'
import { openDiskCache } from '../../client/node/disk-cache.ts'
import { openHostStore } from '../../client/node/state-dir.ts'
import { type Fault, type Peer, resultId, type Script, startPeer } from './peer.ts'
import { aReply } from './replies.ts'
import { reported, scripted, toyTask } from './toy.ts'

let directory = ''
const peers: Peer[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-volunteer-'))
})
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close()
  await rm(directory, { recursive: true, force: true })
})

const here: Compute = ({ task }, control) => runJob(task, control)

// The wait for the next heartbeat does not pass by itself: runs here take no time, so none is ever due.
const HEARTBEAT_MS = 30_000
const SLACK_MS = 5_000

const untilAborted = (signal: AbortSignal | undefined): Promise<void> =>
  new Promise(resolve => signal?.addEventListener('abort', () => resolve()))

/** A volunteer on this disk, with a clock that only sleeping moves: waiting takes no time. */
async function start(peer: Peer, options: Partial<AgentOptions> = {}, changed: Partial<Ports> = {}) {
  let now = Date.UTC(2026, 10, 22)
  const news: VolunteerNews[] = []
  const ports: Ports = {
    endpoint: { server: peer.url, fetch },
    identity: peer.identity,
    keys: peer.keys,
    store: await openHostStore(join(directory, 'state')),
    cache: await openDiskCache(join(directory, 'cache')),
    compute: here,
    machine: { client: 'test', engineClasses: ['wasm'], memoryMiB: 1024 },
    now: () => {
      now += 1
      return now
    },
    rng: () => 0.5,
    sleep: async (ms, signal) => {
      if (ms > HEARTBEAT_MS - SLACK_MS) return untilAborted(signal)
      await new Promise(resolve => setImmediate(resolve))
      if (!signal?.aborted) now += ms
    },
    tell: event => news.push(event),
    share: () => 1,
    ...changed,
  }
  const running = volunteer(ports, { cores: 1, count: 1, endWithoutWork: false, ...options })
  return { ...running, news, ports }
}

async function peerWith(script: Script): Promise<Peer> {
  const peer = await startPeer(script)
  peers.push(peer)
  return peer
}

const reportsIn = (body: SchedulerBody): HostReport[] => body.reports.map(report => HostReport.parse(report))
const acceptAll = (body: SchedulerBody) =>
  reportsIn(body).map(report => ({ resultId: report.resultId, outcome: 'accepted' as const }))

/** Leases the given results once, accepts every report, and injects faults at the given calls. */
async function ordinary(
  ns: readonly number[],
  faults: Readonly<Record<number, Fault>> = {},
  lease: Partial<Record<number, Parameters<Peer['lease']>[1]>> = {},
): Promise<Peer> {
  let calls = 0
  const leases: Awaited<ReturnType<Peer['lease']>>[] = []
  const peer = await peerWith(body => {
    calls += 1
    const fault = faults[calls]
    if (fault !== undefined) return fault
    const given = leases.splice(0, body.want)
    return aReply({ reports: acceptAll(body), leases: given, retryAfterMs: 100 })
  })
  for (const n of ns) leases.push(await peer.lease(n, lease[n]))
  return peer
}

const sent = (peer: Peer): HostReport[] => peer.seen.flatMap(({ body }) => reportsIn(body))

function success(report: HostReport | undefined): SuccessReport {
  if (report?.outcome !== 'success') throw new Error(`expected a success, got ${JSON.stringify(report)}`)
  return report
}

describe('a volunteer', () => {
  test('fetches, computes, and sends a report whose text, digest and signature belong together', async () => {
    const peer = await ordinary([1])
    const { done, ports } = await start(peer)
    expect(await done).toBe(EXIT.ok)
    const report = success(sent(peer)[0])
    const expected = reported(await runJob(await toyTask({ seed: 1 }), scripted()))
    expect(report.digest).toBe(expected.digest)
    expect(report.report).toBe(expected.text)
    expect(RunReport.parse(JSON.parse(report.report))).toEqual(expected.report)
    const { serverId, hostId } = ports.identity
    const signed = reportBytes({ serverId, hostId, resultId: report.resultId, digest: report.digest })
    expect(await verifyBytes(peer.hostKey, signed, report.signature)).toBe(true)
  })

  test('keeps the artifact until the verdict, and uploads it when asked', async () => {
    const expected = reported(await runJob(await toyTask({ seed: 1 }), scripted()))
    const hash = await sha256(expected.artifact ?? new Uint8Array())
    const peer = await peerWith(body => {
      if (peer.seen.length === 1) return aReply({ leases: [lease], retryAfterMs: 10 })
      const wanted = reportsIn(body).map(({ resultId }) => ({ resultId, sha256: hash }))
      const verdicts =
        peer.uploads.size === 0 ? [] : [{ resultId: resultId(1), verdict: 'valid', milli: 7 } as const]
      return aReply({ reports: acceptAll(body), wanted, verdicts, retryAfterMs: 10 })
    })
    const lease = await peer.lease(1)
    const artifacts = join(directory, 'state', 'artifacts')
    const { done, send, news } = await start(peer, { count: null })
    await until(() => news.some(event => event.ev === 'result.verdict'))
    expect([...peer.uploads]).toEqual([[hash, expected.artifact]])
    await until(async () => (await readdir(artifacts)).length === 0)
    send({ type: 'stop' })
    expect(await done).toBe(EXIT.ok)
  })

  test('repeats a call whose reply was lost: same number, same bytes', async () => {
    const peer = await ordinary([1], { 1: 'drop', 2: 'drop', 4: 'drop' })
    expect(await (await start(peer)).done).toBe(EXIT.ok)
    const calls = peer.seen.map(({ call, text }) => `${call} ${text}`)
    expect(calls[0]).toBe(calls[1])
    expect(calls[1]).toBe(calls[2])
    expect(calls[3]).toBe(calls[4])
    const numbers = peer.seen.map(({ call }) => call)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(new Set(numbers).size).toBe(2)
  })

  test('backs off when told to, and never gives up a report', async () => {
    const busy = { problem: 'unavailable', retryAfterMs: 4_000 } as const
    const peer = await ordinary([1], { 2: busy, 3: busy, 4: 'drop', 5: { problem: 'internal' } })
    const { done, news } = await start(peer)
    expect(await done).toBe(EXIT.ok)
    const waits = news.filter(event => event.ev === 'offline').map(event => event.retryMs)
    expect(waits).toEqual([4_250, 4_500, 1_000, 2_000])
    expect(news.some(event => event.ev === 'online')).toBe(true)
    expect(success(sent(peer).at(-1)).resultId).toBe(resultId(1))
  })

  test('takes a higher call number when its own is too low', async () => {
    const peer = await ordinary([1], { 1: { problem: 'call_replayed' } })
    expect(await (await start(peer)).done).toBe(EXIT.ok)
    expect(peer.seen[1]?.call).toBeGreaterThan(peer.seen[0]?.call ?? Number.POSITIVE_INFINITY)
  })

  test('downloads a kernel and its data once for several runs', async () => {
    const peer = await ordinary([1, 2, 3])
    expect(await (await start(peer, { count: 3 })).done).toBe(EXIT.ok)
    expect([...peer.downloads.values()]).toEqual([1, 1])
    expect(new Set(sent(peer).map(report => success(report).digest)).size).toBe(3)
  })

  test('bears a server that is busy when it downloads', async () => {
    const peer = await ordinary([1])
    peer.busyDownloads = 3
    expect(await (await start(peer)).done).toBe(EXIT.ok)
    expect(sent(peer)[0]?.outcome).toBe('success')
  })
})

describe('what goes wrong on the way to a run is an error with a code, reported and not computed', () => {
  const failed = async (peer: Peer): Promise<HostReport | undefined> => {
    const refused: Compute = () => Promise.reject(new Error('it must not be computed'))
    expect(await (await start(peer, {}, { compute: refused })).done).toBe(EXIT.failure)
    return sent(peer)[0]
  }

  test('corrupted data', async () => {
    const peer = await ordinary([1])
    const [, dataHash] = [...peer.files.keys()]
    peer.files.set(String(dataHash), new Uint8Array(5))
    expect(await failed(peer)).toMatchObject({ outcome: 'error', code: 'download_corrupt' })
    expect(peer.downloads.get(String(dataHash))).toBe(2)
  })

  test('a file that does not exist', async () => {
    const peer = await ordinary([1])
    peer.files.clear()
    expect(await failed(peer)).toMatchObject({ outcome: 'error', code: 'download_failed' })
  })

  test('a kernel signed by a key that is not pinned', async () => {
    const peer = await ordinary([1])
    const { publicKey } = await generateEd25519()
    const stranger = { ...peer, keys: peer.keys.map(key => ({ ...key, publicKey })) }
    const { done } = await start(stranger)
    expect(await done).toBe(EXIT.failure)
    expect(sent(peer)[0]).toMatchObject({ outcome: 'error', code: 'kernel_untrusted' })
  })

  test('a kernel that declines the job', async () => {
    const peer = await ordinary([1], {}, { 1: 'refuse' })
    expect(await (await start(peer)).done).toBe(EXIT.failure)
    expect(sent(peer)[0]).toMatchObject({ outcome: 'error', code: 'kernel_refused' })
  })

  test('a trap is no error', async () => {
    const peer = await ordinary([1], {}, { 1: 'trapHalfway' })
    expect(await (await start(peer)).done).toBe(EXIT.ok)
    expect(JSON.parse(success(sent(peer)[0]).report)).toMatchObject({ status: 'trapped' })
  })
})

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
          if (!paused) send({ type: 'pause', reason: 'user' })
          paused = true
        }),
      },
    )
    await until(async () => (await ports.store.checkpoint(resultId(1))) !== undefined)
    expect(state().pauses).toEqual(['user'])
    expect(sent(peer)).toEqual([])
    send({ type: 'resume', reason: 'user' })
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

/** Computes with a clock of its own, so that every step comes to the gate; `before` is called ahead of each. */
const atTheGate =
  (before: () => void): Compute =>
  ({ task }, control) =>
    runJob(task, {
      nowMs: scripted().nowMs,
      save: control.save,
      gate: async slice => {
        before()
        return control.gate(slice)
      },
    })

/** Waits for real things (sockets, disks), which no clock can be moved for. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await holds()) return
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  throw new Error('it never happened')
}
