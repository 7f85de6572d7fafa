import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '#protocol/canonical.ts'
import { reportBytes } from '#protocol/host.ts'
import { hashLater } from '#protocol/merkle.ts'
import { RunReport } from '#protocol/report.ts'
import { reportsRoot, treeOfReports } from '#protocol/report-signature.ts'
import type { HostReport } from '#protocol/scheduler.ts'
import { generateEd25519, verifyBytes } from '#protocol/signature.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { runJob } from '#runtime/run.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { followedUp, type Peer, resultId } from './peer.ts'
import { aReply } from './replies.ts'
import { reported, scripted, toyTask } from './toy.ts'
import {
  acceptAll,
  directory,
  ordinary,
  peerWith,
  reportsIn,
  sent,
  start,
  success,
  until,
} from './volunteering.ts'

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
    expect(await verifyBytes(peer.hostKey, signed, report.signature ?? '')).toBe(true)
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

  describe('signs a call and its reports once', () => {
    /** Says that it takes that; at the given calls an older server answers, or the reply is lost. */
    async function modern(older: readonly number[] = [], lost: readonly number[] = []): Promise<Peer> {
      const peer = await peerWith(body => {
        const first = peer.seen.length === 1
        if (older.includes(peer.seen.length)) return { problem: 'signature_invalid' }
        if (lost.includes(peer.seen.length)) return 'drop'
        return aReply({
          ...{ reports: acceptAll(body), leases: first ? [lease] : [], retryAfterMs: 10 },
          signsReports: true,
        })
      })
      const lease = await peer.lease(1)
      return peer
    }

    test('where the server said that it takes that: the root covers what came', async () => {
      const peer = await modern()
      const { done, ports } = await start(peer)
      expect(await done).toBe(EXIT.ok)
      const [asked, told] = peer.seen
      expect([asked?.root, peer.seen.length]).toEqual([undefined, 2])
      const { resultId, digest, signature } = success(sent(peer)[0])
      const { serverId, hostId } = ports.identity
      const tree = await hashLater(treeOfReports([{ serverId, hostId, resultId, digest }]))
      expect([told?.root, signature]).toEqual([reportsRoot(tree), undefined])
    })

    test('and signs each, in the same call, where an older server takes its place', async () => {
      const peer = await modern([2])
      expect(await (await start(peer)).done).toBe(EXIT.ok)
      const [, refused, again] = peer.seen
      expect(again?.call).toBe(refused?.call)
      expect([refused?.root === undefined, again?.root]).toEqual([false, undefined])
      expect(sent(peer).map(report => success(report).signature === undefined)).toEqual([true, false])
    })

    test('and no more once three calls got through only without the header, which something on the way mangles', async () => {
      const peer = await peerWith(body => {
        if (peer.seen.at(-1)?.root !== undefined) return { problem: 'bad_request' }
        const given = leases.splice(0, Math.min(1, body.want))
        return aReply({ reports: acceptAll(body), leases: given, retryAfterMs: 10, signsReports: true })
      })
      const leases = await Promise.all([1, 2, 3, 4, 5].map(seed => peer.lease(seed)))
      expect(await (await start(peer, { count: 5, cores: 1 })).done).toBe(EXIT.ok)
      const reporting = peer.seen.filter(({ body }) => body.reports.length > 0)
      expect(reporting.map(({ root }) => root !== undefined)).toEqual([
        ...[true, false, true, false, true, false],
        ...[false, false],
      ])
      expect(new Set(sent(peer).map(report => report.resultId)).size).toBe(5)
    })

    test('but not where the reply was lost before: the newer server has it, under that number and for that body', async () => {
      const peer = await modern([3, 4], [2])
      expect(await (await start(peer)).done).toBe(EXIT.ok)
      const calls = peer.seen.slice(1)
      expect(calls).toHaveLength(4)
      expect(new Set(calls.map(({ call, text, root }) => `${call} ${root} ${text}`)).size).toBe(1)
    })

    test('and signs each at last, where only the older one answers', async () => {
      const peer = await modern([3, 4, 5, 6, 7, 8], [2])
      expect(await (await start(peer)).done).toBe(EXIT.ok)
      expect(peer.seen.slice(1).map(({ root }) => root !== undefined)).toEqual([
        ...Array(7).fill(true),
        false,
      ])
    })
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

  test('a kernel signed by a key that follows the pinned one is none of them: the server is asked for the word of that one', async () => {
    const peer = await ordinary([1])
    const pinned = [await followedUp(peer)]
    expect(await (await start(peer, {}, { keys: pinned })).done).toBe(EXIT.ok)
    expect(sent(peer)[0]).toMatchObject({ outcome: 'success' })
  })

  test('a kernel that declines the job', async () => {
    const peer = await ordinary([1], {}, { 1: 'refuse' })
    expect(await (await start(peer)).done).toBe(EXIT.failure)
    expect(sent(peer)[0]).toMatchObject({ outcome: 'error', code: 'kernel_refused' })
  })

  test('a job that this client does not understand, and it goes on with the next', async () => {
    const peer = await peerWith(body => {
      const leases = peer.seen.length === 1 ? [newer, known] : []
      return aReply({ reports: acceptAll(body), leases, retryAfterMs: 100 })
    })
    const newer = await peer.lease(1, 'normal', { job: '{"task":"distil","limit":{"joules":1}}' })
    const known = await peer.lease(2)
    expect(await (await start(peer, { count: 2 })).done).toBe(EXIT.ok)
    expect(sent(peer)).toMatchObject([
      { resultId: newer.resultId, outcome: 'error', code: 'internal' },
      { resultId: known.resultId, outcome: 'success' },
    ])
  })

  test('a trap is no error', async () => {
    const peer = await ordinary([1], {}, { 1: 'trapHalfway' })
    expect(await (await start(peer)).done).toBe(EXIT.ok)
    expect(JSON.parse(success(sent(peer)[0]).report)).toMatchObject({ status: 'trapped' })
  })
})
