// The closed loop: so many connections, and hosts that call when they said they would.

import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { REPORTS_PER_CALL_MAX } from '#protocol/limits.ts'
import type { ResultId } from '#protocol/units.ts'
import { deliver, type Held, type Server, schedule } from './call.ts'
import type { FleetHost } from './fleet.ts'

export interface Load {
  /** Of the server's processes; connections take turns. */
  readonly urls: readonly URL[]
  readonly serverId: string
  readonly hosts: readonly FleetHost[]
  readonly connections: number
  /** Leases a host asks for, and so reports, in a call. */
  readonly want: number
}

/** What was seen since the last look. */
export interface Seen {
  calls: number
  accepted: number
  leases: number
  /** Reports refused by code, and calls that failed by their first words. */
  readonly trouble: Map<string, number>
  /** Milliseconds from sending to the whole answer, of each call. */
  readonly latencies: number[]
}

export interface Drive {
  /** What was seen since the last time this was asked. */
  look(): Seen
  /** Lets the calls that are under way end, and closes the connections. */
  stop(): Promise<void>
}

interface Hand {
  readonly host: FleetHost
  readonly want: number
  held: readonly Held[]
  /** What it computed lately, for when its weights are asked for. */
  readonly lately: Map<ResultId, string>
  dueMs: number
}

interface Ledger {
  readonly seen: Seen
  /** Every result that was given, and to whom: nobody else may get it. */
  readonly given: Map<ResultId, FleetHost>
}

const IDLE_MS = 5
const RETRY_MS = 1_000
const LATELY_MAX = 64
const VERIFIER_WANT = 16

/** Begins to drive a load. Hosts call in the order in which they are due, each as soon as a connection is free. */
export function drive({ urls, serverId, hosts, connections, want }: Load): Drive {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' })
  const queue = queueOf(hosts, want)
  let seen = nothing()
  const given = new Map<ResultId, FleetHost>()
  let stopping = false

  async function connection(url: URL): Promise<void> {
    const server: Server = { url, serverId, agent }
    while (!stopping) {
      const hand = takeDue(queue, performance.now())
      if (hand === undefined) {
        await sleep(IDLE_MS)
        continue
      }
      await visit(server, hand, { seen, given })
      putBack(queue, hand)
    }
  }
  const running = Promise.all(
    Array.from({ length: connections }, (_, i) => urls[i % urls.length]).flatMap(url =>
      url === undefined ? [] : [connection(url)],
    ),
  )
  return {
    look: () => {
      const looked = seen
      seen = nothing()
      return looked
    },
    stop: async () => {
      stopping = true
      await running
      agent.destroy()
    },
  }
}

const nothing = (): Seen => ({ calls: 0, accepted: 0, leases: 0, trouble: new Map(), latencies: [] })

/** At first they come one by one over a second: a fleet that calls in one breath is another question. */
function queueOf(hosts: readonly FleetHost[], want: number): Hand[] {
  const start = performance.now()
  return hosts.map((host, i) => ({
    ...{ host, want: host.trusted ? VERIFIER_WANT : want, held: [], lately: new Map() },
    dueMs: start + (RETRY_MS * i) / hosts.length,
  }))
}

function takeDue(queue: Hand[], nowMs: number): Hand | undefined {
  const [first] = queue
  return first === undefined || first.dueMs > nowMs ? undefined : queue.shift()
}

function putBack(queue: Hand[], hand: Hand): void {
  let [low, high] = [0, queue.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((queue[middle]?.dueMs ?? 0) <= hand.dueMs) low = middle + 1
    else high = middle
  }
  queue.splice(low, 0, hand)
}

/** One call: reports what the host holds as done, and takes as much again. A call that fails leaves its leases to the server. */
async function visit(server: Server, hand: Hand, { seen, given }: Ledger): Promise<void> {
  const began = performance.now()
  try {
    const done = hand.held.slice(0, REPORTS_PER_CALL_MAX)
    const held = hand.held.slice(REPORTS_PER_CALL_MAX)
    const reply = await schedule(server, hand.host, { done, held, want: hand.want })
    seen.latencies.push(performance.now() - began)
    seen.calls += 1
    seen.leases += reply.leases.length
    for (const { outcome, code } of reply.reports) {
      if (outcome === 'accepted') seen.accepted += 1
      else count(seen, code ?? outcome)
    }
    for (const { resultId } of reply.leases) {
      if ((given.get(resultId) ?? hand.host) !== hand.host) count(seen, 'given to two hosts')
      given.set(resultId, hand.host)
    }
    remember(hand)
    hand.held = [...held, ...reply.leases]
    hand.dueMs = performance.now() + reply.retryAfterMs
    for (const { resultId, sha256 } of reply.wanted) {
      const job = hand.lately.get(resultId)
      if (job === undefined) count(seen, 'weights forgotten')
      else await deliver(server, hand.host, sha256, job)
    }
  } catch (error) {
    count(seen, error instanceof Error ? error.message.slice(0, 200) : String(error))
    hand.dueMs = performance.now() + RETRY_MS
  }
}

function remember({ held, lately }: Hand): void {
  for (const { resultId, job } of held) lately.set(resultId, job)
  for (const resultId of lately.keys()) {
    if (lately.size <= LATELY_MAX) return
    lately.delete(resultId)
  }
}

const count = ({ trouble }: Seen, what: string): void => {
  trouble.set(what, (trouble.get(what) ?? 0) + 1)
}
