import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { UploadReply } from '#protocol/scheduler.ts'
import { requestArtifacts } from '#store/files.ts'
import { addCampaign, addUser, runReport, sha256 } from '#support/builders.ts'
import { enrolHost, startServer, type TestHost, type TestServer } from '#support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const get = (sha: string, headers: Record<string, string> = {}, method = 'GET') =>
  server.call(method, `/api/v1/files/${sha}`, { headers })

describe('a file is served by its hash', () => {
  test('whole: immutable, named by its hash', async () => {
    const hash = sha256(server.train)
    const reply = await get(hash)
    expect(reply.status).toBe(200)
    expect(sha256(reply.text)).toBe(hash)
    expect(reply.headers.get('cache-control')).toContain('immutable')
    expect(reply.headers.get('etag')).toBe(`"${hash}"`)
    expect(reply.headers.get('accept-ranges')).toBe('bytes')
    // fetch says no-cache beside If-None-Match unless it is told something else
    const known = { 'if-none-match': `"${hash}"`, 'cache-control': 'max-age=0' }
    expect((await get(hash, known)).status).toBe(304)
  })

  test('in ranges, and its length alone', async () => {
    const hash = sha256(server.train)
    const range = await get(hash, { range: 'bytes=10-19' })
    expect(range.status).toBe(206)
    expect(range.text).toBe(Buffer.from(server.train.subarray(10, 20)).toString())
    expect(range.headers.get('content-range')).toBe(`bytes 10-19/${server.train.length}`)
    const rest = await get(hash, { range: 'bytes=44990-', 'if-range': `"${hash}"` })
    expect([rest.status, rest.text.length]).toEqual([206, server.train.length - 44_990])
    const head = await get(hash, {}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(server.train.length)])
  })

  test('a range beyond its end, a hash that nobody knows, and a name that is no hash are refused', async () => {
    const beyond = await get(sha256(server.train), { range: 'bytes=99999999-' })
    expect([beyond.status, beyond.code]).toEqual([416, 'range_invalid'])
    expect((await get(sha256('nothing'))).code).toBe('not_found')
    expect((await get('..%2f..%2fetc%2fpasswd')).code).toBe('not_found')
    expect((await server.call('DELETE', `/api/v1/files/${sha256('x')}`)).code).toBe('method_not_allowed')
  })
})

describe('an artifact is uploaded', () => {
  /** A host that reported a run with these weights, and was asked for them. */
  async function asked(weights: Uint8Array): Promise<{ host: TestHost; hash: string; workUnitId: string }> {
    const { id } = await addUser(server.database.knex, `owner-${randomBytes(4).toString('hex')}`)
    await addCampaign(server.database.knex, server, id, [{ quorum: 1, createdAt: server.now() }])
    const host = await enrolHost(server)
    const [lease] = (await host.ask({ want: 1 })).leases
    const hash = sha256(weights)
    const report = await host.report(lease!.resultId, runReport({ artifactSha256: hash }))
    await host.ask({ reports: [report] })
    await requestArtifacts(server.database.knex, [lease!.resultId], server.now())
    return { host, hash, workUnitId: lease!.workUnitId }
  }
  const leftovers = () => readdir(join(server.files, 'uploads'))

  test('whole, once asked for; it is then no longer wanted, and under embargo until its unit is published', async () => {
    const weights = randomBytes(300_000)
    const { host, hash, workUnitId } = await asked(weights)
    expect((await host.ask()).wanted).toMatchObject([{ sha256: hash }])
    const reply = await host.put(hash, weights)
    expect([reply.status, UploadReply.parse(reply.json)]).toEqual([
      200,
      { sha256: hash, received: 300_000, complete: true },
    ])
    expect((await host.ask()).wanted).toEqual([])
    expect((await get(hash)).code).toBe('embargoed')
    await server.database.knex.raw(
      `update work_units set state = 'cancelled', closed_at = now(), published_at = now() where id = ?`,
      [workUnitId],
    )
    expect((await get(hash)).headers.get('content-length')).toBe('300000')
    expect((await host.put(hash, weights)).status).toBe(200) // the reply was lost, say
    expect(await leftovers()).toEqual([])
  })

  test('in pieces, some of them repeated, and asking how far it is', async () => {
    const weights = randomBytes(250_000)
    const { host, hash } = await asked(weights)
    const piece = (from: number, to: number) =>
      host.put(hash, weights.subarray(from, to), { range: `bytes ${from}-${to - 1}/${weights.length}` })
    expect((await piece(0, 100_000)).json).toMatchObject({ received: 100_000, complete: false })
    expect((await piece(0, 100_000)).json).toMatchObject({ received: 100_000, complete: false })
    const gap = await piece(200_000, 250_000)
    expect([gap.code, gap.json]).toEqual([
      'range_invalid',
      expect.objectContaining({ detail: 'go on at byte 100000' }),
    ])
    const question = await host.put(hash, new Uint8Array(), { range: `bytes */${weights.length}` })
    expect([question.status, question.json]).toEqual([
      202,
      { sha256: hash, received: 100_000, complete: false },
    ])
    expect((await piece(50_000, 200_000)).json).toMatchObject({ received: 200_000 })
    expect((await piece(200_000, 250_000)).json).toMatchObject({ received: 250_000, complete: true })
    expect(await leftovers()).toEqual([])
  })

  test('not when nobody asked this host for it', async () => {
    const weights = randomBytes(1_000)
    const { hash } = await asked(weights)
    const stranger = await enrolHost(server)
    expect((await stranger.put(hash, weights)).code).toBe('file_unwanted')
    const { host } = await asked(randomBytes(1_000))
    const other = randomBytes(1_000)
    expect((await host.put(sha256(other), other)).code).toBe('file_unwanted')
    expect(await server.blobs.has(sha256(other))).toBe(false)
  })

  test('not with other bytes: nothing is kept, and the right ones are still welcome', async () => {
    const weights = randomBytes(1_000)
    const { host, hash } = await asked(weights)
    const wrong = await host.put(hash, randomBytes(1_000), { signedSha256: hash })
    expect([wrong.status, wrong.code]).toEqual([422, 'file_hash_mismatch'])
    const pieces = await host.put(hash, randomBytes(1_000), { range: 'bytes 0-999/1000' })
    expect(pieces.code).toBe('file_hash_mismatch')
    expect(await leftovers()).toEqual([])
    expect((await get(hash)).code).toBe('not_found')
    expect((await host.put(hash, weights)).status).toBe(200)
  })

  test('not with a bad signature, without a token, or with a range that makes no sense', async () => {
    const weights = randomBytes(1_000)
    const { host, hash } = await asked(weights)
    expect((await host.put(hash, weights, { signedSha256: sha256('else') })).code).toBe('signature_invalid')
    expect((await server.call('PUT', `/api/v1/files/${hash}`, { body: weights })).code).toBe('token_missing')
    const codes = []
    for (const range of [
      'bytes 0-998/1000',
      'bytes 5-4/1000',
      'bytes 0-1000/1000',
      'lines 0-9/10',
      'bytes 0-9/9e9',
    ])
      codes.push((await host.put(hash, weights, { range })).code)
    expect(codes).toEqual(['bad_request', 'range_invalid', 'range_invalid', 'bad_request', 'bad_request'])
    expect((await host.put(hash, weights, { range: 'bytes 0-999/999999999999' })).code).toBe('file_too_large')
    const large = new Uint8Array(4 * 1024 * 1024 + 1)
    const reply = await host.put(hash, large, { range: `bytes 0-${large.length - 1}/${large.length}` })
    expect([reply.status, reply.code]).toEqual([413, 'body_too_large'])
    expect(await leftovers()).toEqual([])
  })
})
