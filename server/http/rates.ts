import type { Request, RequestHandler } from 'express'
import type { Knex } from 'knex'
import type { Logger } from 'pino'
import type { Instant } from '#protocol/units.ts'
import { addCounts, forgetCounts, type RateCount } from '#store/rates.ts'
import { addressName, originReader } from './address.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

/** Calls by whom they are limited, in minutes of the clock, over all processes of the server. */
export interface Rates {
  /** Counts a call; throws `Refused` when this minute has had `limit` of them. */
  take(scope: string, limit: number): void
}

interface RatesOptions {
  readonly knex: Knex
  readonly now: () => Instant
  readonly random: () => number
  readonly log: Logger
}

const MINUTE_MS = 60_000
// What other processes counted is known after so long: until then each of them lets through as much as it would alone.
const SHARE_MS = 1_000
// Of one process: 200,000 scopes are some 30 MB. Beyond that what came first is counted anew.
const SCOPES_MAX = 200_000

interface Tally {
  shared: number // of all processes, when it was last shared
  mine: number // not shared yet
}

/**
 * One statement a second, whatever is called: a process counts by itself and adds what it counted to what all others have. A minute
 * of the clock begins for everybody at once; who was refused comes back spread over some seconds of it.
 */
export function newRates({ knex, now, random, log }: RatesOptions): Rates {
  let minute = 0
  let tallies = new Map<string, Tally>()
  let sharedAt = 0
  const begin = (current: number): void => {
    void share(minute, tallies)
    minute = current
    tallies = new Map()
    forgetCounts(knex, current - 1).catch(failed)
  }
  const failed = (error: unknown): void =>
    log.warn({ error: error instanceof Error ? error.message : String(error) }, 'calls are counted alone')
  const share = async (of: number, counted: Map<string, Tally>): Promise<void> => {
    const fresh: RateCount[] = []
    for (const [scope, tally] of counted) {
      if (tally.mine === 0) continue
      fresh.push({ scope, minute: of, n: tally.mine })
      tally.shared += tally.mine
      tally.mine = 0
    }
    if (fresh.length === 0) return
    for (const { scope, n } of await addCounts(knex, fresh).catch((error: unknown) => {
      failed(error)
      return []
    })) {
      const tally = counted.get(scope)
      if (tally !== undefined) tally.shared = Math.max(tally.shared, n)
    }
  }
  return {
    take: (scope, limit) => {
      const at = now()
      const current = Math.floor(at / MINUTE_MS)
      if (current !== minute) begin(current)
      if (at - sharedAt >= SHARE_MS) {
        sharedAt = at
        void share(minute, tallies)
      }
      const tally = tallies.get(scope) ?? { shared: 0, mine: 0 }
      if (tally.shared + tally.mine >= limit) {
        const retryAfterMs = Math.ceil(MINUTE_MS - (at % MINUTE_MS) + 5_000 * random())
        throw new Refused('rate_limited', `${limit} a minute`, { retryAfterMs })
      }
      tally.mine++
      if (!tallies.has(scope) && tallies.size >= SCOPES_MAX) tallies.delete(tallies.keys().next().value ?? '')
      tallies.set(scope, tally)
    },
  }
}

/**
 * Limits calls by their address, in a count of its own for each `kind`. Who has a token is bounded by what the token may do; a wrong
 * one is found out by one lookup of a hash. Where no account acts, as at logging in, nobody is spared.
 */
export function limitCalls(
  { settings, prefixSecret }: Edge,
  rates: Rates,
  { kind, isSpared }: { readonly kind: string; readonly isSpared: (req: Request) => boolean },
): RequestHandler {
  const originOf = originReader(settings.sharedPrefixes)
  return (req, _res, next) => {
    const { address, shared } = originOf(req)
    if (!shared && !isSpared(req))
      rates.take(`${kind}:${addressName(address, prefixSecret)}`, settings.anonymousPerMinute)
    next()
  }
}
