import { z } from 'zod'

/** Names a call that makes something: repeated within IDEMPOTENCY_DAYS, it is answered as before. Printable ASCII. */
export const IdempotencyKey = z.string().regex(/^[\x20-\x7e]{1,200}$/)

/** Who may call: nobody in particular, a user by token or logged in, a host, or only who is logged in (`session?`: if anybody is). */
export type Security = 'nobody' | 'anybody' | 'user' | 'host' | 'session' | 'session?'

/** One address and method of the server, as the OpenAPI document describes it. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  readonly path: string
  readonly summary: string
  readonly security?: Security
  readonly body?: string // name of a schema, or `bytes`
  readonly reply: string // name of a schema, `bytes` or `text`
  readonly status?: number
  /** Other statuses with the same reply. */
  readonly also?: readonly number[]
  /** May be left out. */
  readonly bodyOptional?: boolean
  /** The reply to the same call with `dry_run=true`. */
  readonly dryRun?: string
  readonly query?: readonly string[]
  readonly headers?: readonly string[]
}

/** The query of a list that comes page by page. */
export const page = ['limit', 'after']
