import type { z } from 'zod'
import { EventCursor, type WaitReply } from '#protocol/events.ts'
import { Problem, problem } from '#protocol/problem.ts'
import { type CampaignId, toWire } from '#protocol/units.ts'
import type { EventRow } from '#store/events.ts'
import type { Wanted } from '../wait.ts'

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
  /** Events of a campaign after a cursor, as soon as there are any; none when the time is over. */
  wait(id: CampaignId, after: string, timeoutMs: number): Promise<WaitReply['events']>
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
const WAITED_MAX = 20

interface Caller {
  /** In this process: a call of our own would take a seat from those who wait over HTTP. */
  readonly wait: (asked: Pick<Wanted, 'id' | 'cursor' | 'timeout' | 'limit' | 'gone'>) => Promise<EventRow[]>
  readonly authorization: string | undefined
  /** Aborted when nobody waits for the tool's answer any more: then nothing more is asked. */
  readonly gone: AbortSignal
}

/** The API at `origin`, called with this Authorization header, if any. */
export function apiAt(origin: string, { authorization, gone, wait }: Caller): Api {
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
    wait: async (id, after, timeoutMs) => {
      const cursor = EventCursor.parse(after)
      const events = await wait({ id, cursor, timeout: timeoutMs / 1000, limit: WAITED_MAX, gone })
      return events.map(({ at, ...event }) => ({ ...event, at: toWire(at) }))
    },
  }
}
