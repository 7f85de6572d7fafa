import express, { type Request, type RequestHandler } from 'express'
import { fromUtf8 } from '#protocol/canonical.ts'
import { Refused } from './problem.ts'

/**
 * Reads the body as bytes, of any type, at most `limit`. Compressed bodies are refused: signatures are over what was
 * sent, and a small bomb must not become a large one.
 */
export const bytesUpTo = (limit: number): RequestHandler =>
  express.raw({ type: () => true, limit, inflate: false })

/** The bytes that `bytesUpTo` read; none for a request without a body. */
export function bodyOf(req: Request): Buffer {
  return Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0)
}

/** JSON of bytes from a stranger; throws `Refused` (bad_request). */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(withoutProto(fromUtf8(bytes)))
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'not JSON'
    throw new Refused('bad_request', `body: ${reason}`)
  }
}

// Schemas leave this name out of records without a word, and a dimension that is not searched must not cost credits.
function withoutProto(text: string): string {
  if (/"__proto__"\s*:/.test(text)) throw new SyntaxError('no field may be called __proto__')
  return text
}
