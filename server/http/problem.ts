import { randomUUID } from 'node:crypto'
import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import { z } from 'zod'
import { type Problem, type ProblemCode, problem } from '#protocol/problem.ts'
import { isUnavailable } from '#store/errors.ts'

/** An expected refusal on its way to the one place that answers it. */
export class Refused extends Error {
  readonly problem: Problem

  constructor(
    code: ProblemCode,
    detail?: string,
    more: Pick<Problem, 'retryAfterMs' | 'missingMilli' | 'line'> = {},
  ) {
    super(detail ?? code)
    this.problem = { ...problem(code, detail), ...more }
  }
}

/** Parses what came over the wire; throws `Refused` whose detail names the field. */
export function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  code: ProblemCode = 'bad_request',
): z.infer<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Refused(code, describeIssues(parsed.error))
}

const ISSUES_SHOWN = 3

/** "field.path: what is wrong", for the first few issues. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, ISSUES_SHOWN)
    .map(issue => `${issue.path.join('.') || 'body'}: ${issue.message}`)
    .join('; ')
    .slice(0, DETAIL_MAX)
}

const DETAIL_MAX = 500

// A name that a proxy gave a request goes through all logs; any other text would be a stranger's in ours.
const REQUEST_ID = /^[\w.-]{8,64}$/
/** Gives every request an id, under which it and its errors are logged, and which the reply names. */
export function nameRequest({ log, now }: { log: Logger; now: () => number }): RequestHandler {
  return (req, res, next) => {
    const asked = req.headers['x-request-id']
    const requestId = typeof asked === 'string' && REQUEST_ID.test(asked) ? asked : randomUUID()
    res.setHeader('x-request-id', requestId)
    const began = now()
    res.once('close', () => {
      if (!log.isLevelEnabled('debug')) return
      const route = typeof req.route?.path === 'string' ? req.route.path : 'other'
      const answer = { status: res.statusCode, ms: now() - began, cut: !res.writableFinished }
      log.debug({ requestId, method: req.method, route, ...answer }, 'request')
    })
    next()
  }
}

/**
 * Answers every error of every route: the only place that turns one into a reply. `backOff`: notes that the database was away, and
 * says what the caller is asked to wait, ms.
 */
export function answerErrors(log: Logger, backOff: () => number): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const requestId = String(res.getHeader('x-request-id'))
    const answer = { ...toProblem(error, backOff), requestId }
    if (answer.code === 'internal')
      log.error({ err: error, requestId, path: req.path }, 'a request met a bug')
    else log.debug({ code: answer.code, detail: answer.detail, requestId, path: req.path }, 'refused')
    if (res.headersSent)
      res.destroy() // in the middle of a stream: a cut connection is the only honest ending
    else sendProblem(res, answer)
  }
}

export function sendProblem(res: Response, answer: Problem): void {
  if (answer.retryAfterMs !== undefined)
    res.setHeader('retry-after', String(Math.ceil(answer.retryAfterMs / 1000)))
  res.status(answer.status).type('application/problem+json').send(JSON.stringify(answer))
}

function toProblem(error: unknown, backOff: () => number): Problem {
  if (error instanceof Refused) return error.problem
  if (isUnavailable(error)) return { ...problem('unavailable'), retryAfterMs: backOff() }
  const foreign = HttpError.safeParse(error)
  if (!foreign.success) return problem('internal')
  const { status, type, message } = foreign.data
  if (type === 'entity.too.large') return problem('body_too_large')
  if (status === 416) return problem('range_invalid')
  if (status === 404) return problem('not_found')
  return status < 500 ? problem('bad_request', message) : problem('internal')
}

// What express, body-parser and send throw.
const HttpError = z.object({
  status: z.int().min(400).max(599),
  type: z.string().optional(),
  message: z.string(),
})
