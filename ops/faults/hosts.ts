// Simulated hosts that lose nothing: what was not answered is reported again, sometimes also what was.

import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ResultId } from '#protocol/units.ts'
import { deliver, type Held, type Server, schedule } from '../load/call.ts'
import type { FleetHost } from '../load/fleet.ts'

export interface Crowd {
  /** Results whose reports were answered with `accepted`. */
  readonly accepted: ReadonlySet<ResultId>
  /** From now on every report is sent again: the call byte for byte, and in a call of its own. */
  repeat(): void
  /** How calls failed, and how often. */
  readonly trouble: ReadonlyMap<string, number>
  stop(): Promise<void>
}

interface Works {
  readonly url: URL
  readonly serverId: string
  readonly hosts: readonly FleetHost[]
  readonly rng: () => number
}

// What a run takes: long enough that faults meet hosts in the middle of one.
const RUN_MS = [50, 350] as const
const VERIFIER_WANT = 8
const WANT = 2
const AGAIN_MS = 100

/** Has hosts compute until they are told to stop; each is an owner by itself. */
export function startCrowd({ url, serverId, hosts, rng }: Works): Crowd {
  const agent = new Agent({ keepAlive: true })
  const server: Server = { url, serverId, agent }
  const accepted = new Set<ResultId>()
  const trouble = new Map<string, number>()
  const jobs = new Map<ResultId, string>()
  const stopping = new AbortController()
  let repeats = false
  const rest = (ms: number): Promise<unknown> =>
    sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined)

  const call = (host: FleetHost, done: readonly Held[], want: number) =>
    callOnce(server, host, { done, want }, { accepted, count })
  const count = (what: string): void => void trouble.set(what, (trouble.get(what) ?? 0) + 1)

  async function live(host: FleetHost): Promise<void> {
    let held: readonly Held[] = []
    while (!stopping.signal.aborted) {
      await rest(RUN_MS[0] + rng() * (RUN_MS[1] - RUN_MS[0]))
      const reply = await call(host, held, host.trusted ? VERIFIER_WANT : WANT)
      if (reply === undefined) {
        await rest(AGAIN_MS)
        continue
      }
      if (repeats && held.length > 0) {
        host.call -= 1
        await call(host, held, host.trusted ? VERIFIER_WANT : WANT)
        await call(host, held, 0)
      }
      held = reply.leases
      for (const { resultId, job } of held) jobs.set(resultId, job)
      for (const { resultId, sha256 } of reply.wanted) {
        const job = jobs.get(resultId)
        if (job !== undefined)
          await deliver(server, host, sha256, job).catch(() => count('weights not delivered'))
      }
      if (held.length === 0) await rest(reply.retryAfterMs)
    }
  }
  const lives = Promise.all(hosts.map(live))
  return {
    ...{ accepted, trouble },
    repeat: () => {
      repeats = true
    },
    stop: async () => {
      stopping.abort()
      agent.destroy() // a call that nobody answers would be waited for
      await lives
    },
  }
}

interface Told {
  readonly accepted: Set<ResultId>
  count(trouble: string): void
}

/** One call; undefined when it failed. What it says of reports is written down before anything else. */
async function callOnce(
  server: Server,
  host: FleetHost,
  asked: { readonly done: readonly Held[]; readonly want: number },
  { accepted, count }: Told,
) {
  try {
    const reply = await schedule(server, host, asked)
    reply.reports.forEach(({ outcome, code }, i) => {
      const id = asked.done[i]?.resultId
      if (id !== undefined && outcome === 'accepted') accepted.add(id)
      if (outcome !== 'accepted') count(code ?? outcome)
    })
    return reply
  } catch (error) {
    count(error instanceof Error ? error.message.slice(0, 120) : String(error))
    return undefined
  }
}
