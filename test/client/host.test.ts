import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EXIT } from '#runtime/exit-codes.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { Failure } from '../../client/node/failure.ts'
import { type Host, type HostSettings, startHost } from '../../client/node/host.ts'
import { hostDirectory } from '../../client/node/identity.ts'
import { PRESETS } from '../../client/node/presets.ts'
import { followedUp, type Peer, startPeer } from './peer.ts'
import { aReply } from './replies.ts'
import { toyModule } from './toy.ts'

let directory = ''
let peer: Peer
const hosts: Host[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-host-'))
  await toyModule()
  let leased = false
  peer = await startPeer(body => {
    const leases = leased ? [] : [lease]
    leased = true
    const reports = body.reports.map(report => ({
      resultId: (report as { resultId: string }).resultId,
      outcome: 'accepted' as const,
    }))
    return aReply({ leases, reports, retryAfterMs: 10 })
  })
  const lease = await peer.lease(1)
})
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
  await peer.close()
  await rm(directory, { recursive: true, force: true })
})

/** Starts this machine as a host of the peer; `enrolled` tells of each time it was, or came back. */
async function start(
  changed: Partial<HostSettings> = {},
): Promise<{ host: Host; fresh: boolean[]; waits: number[] }> {
  const fresh: boolean[] = []
  const waits: number[] = []
  const host = await startHost({
    endpoint: { server: peer.url, fetch },
    stateDir: directory,
    cacheDir: directory,
    name: undefined,
    agent: { cores: 1, count: 1, endWithoutWork: true },
    preset: PRESETS.all,
    engine: 'strict',
    onEngine: () => undefined,
    engines: { classes: ['wasm'], gpu: 'none' },
    onNative: () => undefined,
    tellNative: () => undefined,
    share: 1,
    checkpointMs: undefined,
    patienceMs: undefined,
    keyFingerprint: undefined,
    tell: () => undefined,
    onEnrolled: (_enrolled, first) => fresh.push(first),
    onOffline: (_reason, retryMs) => waits.push(retryMs),
    ...changed,
  })
  hosts.push(host)
  return { host, fresh, waits }
}

describe('enrolment', () => {
  test('happens once: a second start is the same host with the same key, and both can sign', async () => {
    const first = await start()
    expect(await first.host.done).toBe(EXIT.ok)
    const second = await start()
    expect(await second.host.done).toBe(EXIT.noWork)
    expect([...first.fresh, ...second.fresh]).toEqual([true, false])
    expect(peer.enrolments).toHaveLength(1)
  })

  test('key and token are for our eyes only', async () => {
    await (await start()).host.done
    const home = await hostDirectory(directory, peer.url)
    for (const file of ['key.json', 'host.json']) {
      expect((await stat(join(home, file))).mode & 0o777, file).toBe(0o600)
    }
  })

  test('a reply that was lost costs a key, not the host: the next enrolment uses a fresh one', async () => {
    peer.enrolFaults.push('drop', { problem: 'key_taken' })
    const { host, waits } = await start()
    expect(await host.done).toBe(EXIT.ok)
    expect(waits).toHaveLength(1)
    const keys = peer.enrolments.map(body => body.publicKey)
    expect(keys[0]).toBe(keys[1])
    expect(keys[2]).not.toBe(keys[1])
  })

  test.each(['token_unknown', 'protocol_too_old'] as const)(
    '%s is final: it is not tried again',
    async problem => {
      peer.enrolFaults.push({ problem })
      await expect(start()).rejects.toMatchObject({ problem: { code: problem } })
      expect(peer.enrolments).toHaveLength(1)
    },
  )

  test('a server whose kernels another key signs is refused when a fingerprint was given', async () => {
    const wrong = start({ keyFingerprint: 'f'.repeat(64) })
    await expect(wrong).rejects.toThrow(Failure)
    await expect(wrong).rejects.toMatchObject({ exit: EXIT.auth, code: 'key_mismatch' })
    const { host } = await start({ keyFingerprint: String(peer.keys[0]?.keyId) })
    expect(await host.done).toBe(EXIT.ok)
  })

  test('a server whose key followed the one of the fingerprint that was given is not refused', async () => {
    const { keyId } = await followedUp(peer)
    expect(await (await start({ keyFingerprint: keyId })).host.done).toBe(EXIT.ok)
  })

  test('an identity that cannot be read is said, not thrown away', async () => {
    await (await start()).host.done
    const file = join(await hostDirectory(directory, peer.url), 'host.json')
    await writeFile(file, '{"server":')
    await expect(start()).rejects.toMatchObject({ code: 'state_damaged' })
    expect(await readFile(file, 'utf8')).toBe('{"server":')
  })

  test('accepted serials that cannot be read stop it before any task, instead of failing each', async () => {
    await (await start()).host.done
    const calls = peer.seen.length
    await writeFile(join(await hostDirectory(directory, peer.url), 'serials.json'), '{"toy')
    await expect(start()).rejects.toMatchObject({ code: 'state_damaged' })
    expect(peer.seen).toHaveLength(calls)
  })
})

test('a program around the client can change what is computed, and nothing else: the lie is signed and sent', async () => {
  const lying =
    (honest: Compute): Compute =>
    async (run, control, signal) => {
      const outcome = await honest(run, control, signal)
      return outcome.type === 'report' ? { ...outcome, text: '{"a":"lie"}' } : outcome
    }
  const { host } = await start({ wrapCompute: lying })
  expect(await host.done).toBe(EXIT.ok)
  const reports = peer.seen.flatMap(({ body }) => body.reports)
  expect(reports).toMatchObject([{ outcome: 'success', report: '{"a":"lie"}' }])
})
