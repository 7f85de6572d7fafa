// Simulated hosts: rows as an enrolment leaves them, each with a key and a history of its own.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Knex } from 'knex'
import { DAILY_QUOTA_MAX } from '#protocol/limits.ts'
import type { HostId } from '#protocol/units.ts'
import { instant } from '#protocol/units.ts'
import { secureIds } from '#server/ids.ts'
import { newTokenText, tokenHash } from '#store/tokens.ts'

export interface FleetHost {
  readonly id: HostId
  readonly token: string
  readonly privateKey: KeyObject
  /** The operator's own: it is given the checks. */
  readonly trusted: boolean
  /** Of the last call that was answered. */
  call: number
  /** The last reply said that one signature may be that of a call and of its reports. */
  signsReports: boolean
}

/** What a simulated host says of itself: leases of a call are bounded by the cores. */
export const CORES = 8
export const MEMORY_MIB = 4096
export const CLIENT = 'xeenet-load'

// A host with this many confirmed results is checked as seldom as any.
const HISTORY = 1_000
const HISTORY_FUEL = 1e12
// While a campaign is young each of its results is among its best, and waits for the verifier.
const HOSTS_PER_VERIFIER = 25
const ROWS_PER_INSERT = 1_000

/**
 * Writes `count` hosts that have proven themselves, each an owner of its own, and verifiers beside them. Their keys are real.
 * Enrolling itself is not what is measured: a proof of work takes two seconds.
 */
export async function enlist(knex: Knex, count: number): Promise<FleetHost[]> {
  const verifiers = Math.ceil(count / HOSTS_PER_VERIFIER)
  const hosts = Array.from({ length: count + verifiers }, (_, i) => recruit(i < verifiers))
  const now = new Date()
  const rows = hosts.map(({ host: { id, token, trusted }, publicKey }) => ({
    ...{ id, user_id: null, name: `load ${id}`, trusted, owner_key: trusted ? 'platform' : `host:${id}` },
    ...{ public_key: publicKey, token_hash: tokenHash(token), client: CLIENT, engine_classes: ['wasm'] },
    ...{ cores: CORES, memory_mib: MEMORY_MIB, daily_quota: DAILY_QUOTA_MAX, quota_day: now },
    ...{ created_at: now, last_seen_at: now },
  }))
  const streaks = hosts.map(({ host: { id } }) => ({
    ...{ host_id: id, engine_class: 'wasm', count: HISTORY, fuel: HISTORY_FUEL },
  }))
  await knex.batchInsert('hosts', rows, ROWS_PER_INSERT)
  await knex.batchInsert('streaks', streaks, ROWS_PER_INSERT)
  await knex.raw('analyze hosts, streaks')
  return hosts.map(({ host }) => host)
}

function recruit(trusted: boolean): { readonly host: FleetHost; readonly publicKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const host = {
    id: secureIds.host(instant(Date.now())),
    token: newTokenText('host'),
    privateKey,
    trusted,
    call: 0,
    signsReports: false,
  }
  return { host, publicKey: raw.toString('base64url') }
}
