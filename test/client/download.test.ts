import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { downloadFile } from '#client/node/download.ts'
import { Unreachable } from '#runtime/api.ts'
import { sha256 } from '#support/builders.ts'

const BYTES = Buffer.from('0123456789')
const FILE = { sha256: sha256(BYTES), bytes: BYTES.length }

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-download-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** A server with these bytes, which breaks off after `most` of them. */
function serving(bytes: Buffer, most = bytes.length) {
  const ranges: (string | null)[] = []
  const answer: typeof fetch = async (_url, init) => {
    const range = new Headers(init?.headers).get('range')
    ranges.push(range)
    const rest = bytes.subarray(Number(/\d+/.exec(range ?? '')?.[0] ?? 0))
    const body = new ReadableStream<Uint8Array>({
      start: stream => {
        stream.enqueue(new Uint8Array(rest.subarray(0, most)))
        if (most < rest.length) stream.error(new Error('the line broke'))
        else stream.close()
      },
    })
    return new Response(body, { status: range === null ? 200 : 206 })
  }
  return { ranges, endpoint: { server: 'http://nowhere', fetch: answer } }
}

test('a download that broke goes on where it was, and is named only when it is whole', async () => {
  const path = join(dir, 'runs.csv')
  await writeFile(`${path}.part`, '0123')
  const { ranges, endpoint } = serving(BYTES)
  await downloadFile(endpoint, FILE, path)
  expect(ranges).toEqual(['bytes=4-'])
  expect(await readFile(path, 'utf8')).toBe('0123456789')
  await downloadFile(endpoint, FILE, path)
  expect(ranges).toHaveLength(1) // it is there
  expect(await readdir(dir)).toEqual(['runs.csv'])
})

test('a line that breaks leaves no file of that name', async () => {
  const path = join(dir, 'runs.csv')
  await expect(downloadFile(serving(BYTES, 3).endpoint, FILE, path)).rejects.toThrow(Unreachable)
  expect(await readdir(dir)).toEqual(['runs.csv.part'])
})

test.each([
  ['other bytes', '', '0123456780'],
  ['more bytes', '', '0123456789!'],
  ['a part that was damaged', '9999', '0123456789'],
])('%s are refused, and none of them is kept', async (_, part, sent) => {
  const path = join(dir, 'runs.csv')
  if (part !== '') await writeFile(`${path}.part`, part)
  const downloaded = downloadFile(serving(Buffer.from(sent)).endpoint, FILE, path)
  await expect(downloaded).rejects.toMatchObject({ code: 'file_hash_mismatch' })
  expect(await readdir(dir)).toEqual([])
})
