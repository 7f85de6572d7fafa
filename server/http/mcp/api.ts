import type { z } from 'zod'
import { Problem, problem } from '#protocol/problem.ts'

export interface Asked {
  readonly method: 'GET' | 'POST'
  readonly path: string // below /api/v1
  readonly body?: object
  readonly idempotencyKey?: string | undefined
}

/** The HTTP API as a tool sees it: the same routes, checks and budgets as for everybody, with the token of who calls the tool. */
export interface Api {
  readonly hasToken: boolean
  /** @throws ApiRefusal when the API refuses */
  ask<Reply>(schema: z.ZodType<Reply>, asked: Asked): Promise<Reply>
  text(asked: Asked): Promise<string>
}

/** What the API answered instead. */
export class ApiRefusal extends Error {
  readonly problem: Problem
  constructor(refused: Problem) {
    super(refused.title)
    this.problem = refused
  }
}

const ANSWER_MS = 60_000

interface Caller {
  readonly authorization: string | undefined
  /** Aborted when nobody waits for the tool's answer any more: then nothing more is asked. */
  readonly gone: AbortSignal
}

/** The API at `origin`, called with this Authorization header, if any. */
export function apiAt(origin: string, { authorization, gone }: Caller): Api {
  const send = async ({ method, path, body, idempotencyKey }: Asked): Promise<string> => {
    const response = await fetch(`${origin}/api/v1${path}`, {
      ...{ method, redirect: 'error', signal: AbortSignal.any([gone, AbortSignal.timeout(ANSWER_MS)]) },
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.ok) return text
    const refused = Problem.safeParse(JSON.parse(text))
    throw new ApiRefusal(refused.success ? refused.data : problem('internal'))
  }
  return {
    hasToken: authorization !== undefined,
    ask: async (schema, asked) => schema.parse(JSON.parse(await send(asked))),
    text: send,
  }
}
