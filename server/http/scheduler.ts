import type { Request, RequestHandler } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { inBusyTransaction } from '#store/database.ts'
import type { Network } from './address.ts'
import { bodyOf } from './body.ts'
import { type ParsedCall, parseCall } from './call.ts'
import { newCatalogue } from './catalogue.ts'
import type { Edge } from './edge.ts'
import { type GroupCommit, groupCommit } from './group-commit.ts'
import type { HostCallReader } from './host-call.ts'
import { Refused } from './problem.ts'
import { type Answer, answerCalls } from './round-trip.ts'

// Enough to fill one flush of the disk; more would only make each of them wait longer.
const CALLS_PER_GROUP_MAX = 32
const GATHER_MS = 2
// While PostgreSQL works for one group this process works for the other.
const GROUPS_MAX = 2
// What a group costs by itself is as much as several calls, and they would be answered no sooner. Where several processes answer, each
// has one group of this size instead of two smaller ones.
const COMPANY_MIN = 12

/** Answers parsed calls in groups, a transaction for each group. */
export function callGroups(edge: Edge): GroupCommit<ParsedCall, Answer> {
  const withCatalogue = { ...edge, catalogue: newCatalogue() }
  return groupCommit<ParsedCall, Answer>({
    commit: calls => inBusyTransaction(edge.knex, trx => answerCalls(trx, calls, withCatalogue)),
    keyOf: call => call.hostId,
    sizeMax: CALLS_PER_GROUP_MAX,
    groupsMax: GROUPS_MAX,
    companyMin: COMPANY_MIN,
    gatherMs: GATHER_MS,
  })
}

/** POST /scheduler: parsed and verified one by one, answered in groups. */
export function scheduler(
  edge: Edge,
  readCall: HostCallReader,
  networkOf: (req: Request) => Network,
): RequestHandler {
  const group = callGroups(edge)
  return async (req, res) => {
    const bytes = bodyOf(req)
    const signed = await readCall(req, sha256Of(bytes))
    const call = parseCall(edge.serverId, signed, bytes)
    const answer = await group.submit({ ...call, ...networkOf(req) })
    if (answer.type === 'refused') throw new Refused(answer.code, answer.detail)
    res.type('json').send(answer.text)
  }
}
