import type { Request, RequestHandler, Response } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { FILE_BYTES_MAX, UPLOAD_CHUNK_BYTES_MAX } from '#protocol/limits.ts'
import type { UploadReply } from '#protocol/scheduler.ts'
import { type HostId, Sha256 } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { mayEvaluate } from '#store/evaluations.ts'
import { findFile, insertFile, receiveFile, wantedOf } from '#store/files.ts'
import { tokenHash } from '#store/tokens.ts'
import { tokenOf } from './auth.ts'
import type { Edge } from './edge.ts'
import type { HostCallReader } from './host-call.ts'
import { parse, Refused } from './problem.ts'
import { inTurn } from './turn.ts'

/** GET and HEAD /files/:sha256: any bytes by their hash, in ranges; they never change. */
export function serveFile(edge: Edge): RequestHandler {
  return async (req, res, next) => {
    const sha256 = parse(Sha256, req.params.sha256, 'not_found')
    const file = await findFile(edge.knex, sha256)
    const mayRead = file !== undefined && (!file.embargoed || (await isForVerifier(edge, req, sha256)))
    // Of a hidden text nobody is told that it is there.
    if (file === undefined || (file.kind === 'hidden' && !mayRead))
      throw new Refused('not_found', `no file has the hash ${sha256}`)
    if (!mayRead) throw new Refused('embargoed')
    const path = await edge.blobs.local(sha256)
    if (path === undefined) throw new Refused('not_found', `the file ${sha256} is not where it was kept`)
    res.setHeader('etag', `"${sha256}"`)
    res.setHeader('content-type', 'application/octet-stream')
    res.sendFile(path, { immutable: true, maxAge: '1y', dotfiles: 'allow' }, (error: unknown) => {
      // A client that hangs up in the middle of a download is no error of ours.
      if (error !== undefined && error !== null && !isAborted(error)) next(error)
    })
  }
}

/** Weights that are evaluated, and what they are evaluated on, are for the verifier that does it, before anybody else may see them. */
async function isForVerifier(edge: Edge, req: Request, sha256: Sha256): Promise<boolean> {
  const token = tokenOf(req)
  return token !== undefined && mayEvaluate(edge.knex, tokenHash(token), sha256)
}

const isAborted = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ECONNABORTED' || error.code === 'EPIPE')

/**
 * PUT /files/:sha256: an artifact that this host was asked for, whole or in pieces (Content-Range, in order; `bytes *`
 * with a total asks how far it is). The piece is signed like every call; it may be repeated.
 */
export function receiveUpload(edge: Edge, readCall: HostCallReader): RequestHandler {
  const turns = inTurn()
  return async (req, res) => {
    const sha256 = parse(Sha256, req.params.sha256, 'not_found')
    const range = rangeOf(req)
    // A whole file is streamed: its body is said to have the hash of the address, which is checked at the end. A piece is
    // small enough to be held and hashed before anything is written.
    const piece = range === 'whole' ? undefined : await readPiece(req)
    const { host } = await readCall(req, piece === undefined ? sha256 : sha256Of(piece))
    const wanted = await wantedOf(edge.knex, [host.id])
    const upload = `${host.id}.${sha256}`
    const state = await turns(upload, async (): Promise<Received> => {
      if (!wanted.some(file => file.sha256 === sha256)) return already(edge, sha256)
      if (piece === undefined || range === 'whole') return receiveWhole(edge, req, upload, sha256)
      return receivePiece(edge, piece, range, upload, sha256)
    })
    if (state.complete) await record(edge, { hostId: host.id, sha256, bytes: state.received })
    const reply: UploadReply = { sha256, ...state }
    answer(res, reply)
  }
}

interface Received {
  readonly received: number
  readonly complete: boolean
}

type Range = 'whole' | { readonly start: number | undefined; readonly end: number; readonly total: number }

const answer = (res: Response, reply: UploadReply): void =>
  void res.status(reply.complete ? 200 : 202).json(reply)

function rangeOf(req: Request): Range {
  const header = req.headers['content-range']
  if (header === undefined) return 'whole'
  const [, start, end, total] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+)$/.exec(header) ?? []
  if (total === undefined) throw new Refused('bad_request', 'content-range: expected bytes START-END/TOTAL')
  if (Number(total) > FILE_BYTES_MAX) throw new Refused('file_too_large', `at most ${FILE_BYTES_MAX} bytes`)
  if (start === undefined) return { start: undefined, end: 0, total: Number(total) }
  if (Number(end) >= Number(total) || Number(end) < Number(start)) throw new Refused('range_invalid', header)
  return { start: Number(start), end: Number(end), total: Number(total) }
}

async function readPiece(req: Request): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req) {
    size += Buffer.byteLength(chunk)
    if (size > UPLOAD_CHUNK_BYTES_MAX)
      throw new Refused('body_too_large', `a piece has at most ${UPLOAD_CHUNK_BYTES_MAX} bytes`)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks)
}

// A repeated upload of what arrived already is a success: its reply may have been lost.
async function already(edge: Edge, sha256: Sha256): Promise<Received> {
  const file = await findFile(edge.knex, sha256)
  if (file === undefined || file.kind === 'hidden') throw new Refused('file_unwanted')
  return { received: file.bytes, complete: true }
}

async function receiveWhole(edge: Edge, req: Request, upload: string, sha256: Sha256): Promise<Received> {
  const received = await edge.blobs.fill(upload, req, FILE_BYTES_MAX)
  if (received === 'too_large') throw new Refused('file_too_large', `at most ${FILE_BYTES_MAX} bytes`)
  return finish(edge, { upload, sha256, received })
}

async function receivePiece(
  edge: Edge,
  piece: Buffer,
  { start, end, total }: Exclude<Range, 'whole'>,
  upload: string,
  sha256: Sha256,
): Promise<Received> {
  const before = await edge.blobs.received(upload)
  if (start === undefined) return { received: before, complete: false }
  if (piece.length !== end - start + 1)
    throw new Refused('bad_request', 'content-range: not the length of the body')
  if (start > before) throw new Refused('range_invalid', `go on at byte ${before}`)
  if (start + piece.length > before) {
    const appended = await edge.blobs.append(upload, before, piece.subarray(before - start))
    if (appended === 'gap')
      throw new Refused('range_invalid', `go on at byte ${await edge.blobs.received(upload)}`)
  }
  const received = Math.max(before, start + piece.length)
  return received < total ? { received, complete: false } : finish(edge, { upload, sha256, received })
}

async function finish(
  edge: Edge,
  { upload, sha256, received }: { upload: string; sha256: Sha256; received: number },
): Promise<Received> {
  if ((await edge.blobs.finish(upload, sha256)) === 'hash_mismatch') throw new Refused('file_hash_mismatch')
  return { received, complete: true }
}

async function record(edge: Edge, file: { hostId: HostId; sha256: Sha256; bytes: number }): Promise<void> {
  const { hostId, sha256, bytes } = file
  const now = edge.now()
  await inTransaction(edge.knex, async trx => {
    await insertFile(trx, { sha256, bytes, kind: 'artifact', now })
    await receiveFile(trx, { hostId, sha256, now })
  })
}
