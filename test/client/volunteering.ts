// A volunteer on a disk of its own and a peer, for each test.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { HostReport, type SchedulerBody, type SuccessReport } from '#protocol/scheduler.ts'
import type { AgentOptions } from '#runtime/agent-state.ts'
import { runJob } from '#runtime/run.ts'
import { type Compute, type Ports, type VolunteerNews, volunteer } from '#runtime/volunteer.ts'
import { openDiskCache } from '../../client/node/disk-cache.ts'
import { openHostStore } from '../../client/node/state-dir.ts'
import { type Fault, type Peer, type Script, startPeer } from './peer.ts'
import { aReply } from './replies.ts'
import { scripted, type ToyChanges } from './toy.ts'

/** Of the running test. */
export let directory = ''
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
export async function start(peer: Peer, options: Partial<AgentOptions> = {}, changed: Partial<Ports> = {}) {
  let now = Date.UTC(2026, 10, 22)
  const news: VolunteerNews[] = []
  const ports: Ports = {
    endpoint: { server: peer.url, fetch },
    identity: peer.identity,
    keys: peer.keys,
    store: await openHostStore(join(directory, 'state')),
    cache: await openDiskCache(join(directory, 'cache')),
    compute: here,
    prove: async () => ({ ok: true }),
    selfTest: async () => ({ passed: true, detail: 'sound' }),
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

export async function peerWith(script: Script, changes: ToyChanges = {}): Promise<Peer> {
  const peer = await startPeer(script, changes)
  peers.push(peer)
  return peer
}

export const reportsIn = (body: SchedulerBody): HostReport[] =>
  body.reports.map(report => HostReport.parse(report))
export const acceptAll = (body: SchedulerBody) =>
  reportsIn(body).map(report => ({ resultId: report.resultId, outcome: 'accepted' as const }))

/** Leases the given results once, accepts every report, and injects faults at the given calls. */
export async function ordinary(
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

export const sent = (peer: Peer): HostReport[] => peer.seen.flatMap(({ body }) => reportsIn(body))

export function success(report: HostReport | undefined): SuccessReport {
  if (report?.outcome !== 'success') throw new Error(`expected a success, got ${JSON.stringify(report)}`)
  return report
}

/** Computes with a clock of its own, so that every step comes to the gate; `before` is called ahead of each. */
export const atTheGate =
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
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await holds()) return
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  throw new Error('it never happened')
}
