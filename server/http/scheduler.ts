import type { Request, RequestHandler } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { inBusyTransaction, type Trx } from '#store/database.ts'
import type { Network } from './address.ts'
import { bodyOf } from './body.ts'
import { type ParsedCall, parseCall } from './call.ts'
import { newCatalogue } from './catalogue.ts'
import type { Edge } from './edge.ts'
import { type GroupCommit, groupCommit } from './group-commit.ts'
import type { HostCallReader } from './host-call.ts'
import { newLine } from './line.ts'
import { Refused } from './problem.ts'
import { type Answer, answerCalls } from './round-trip.ts'

// Enough to fill one flush of the disk; more would only make each of them wait longer.
const CALLS_PER_GROUP_MAX = 32
const GATHER_MS = 2
// While PostgreSQL and the disk work for some groups this process works for others. What a group costs by itself is as much as
// several calls, so it has company. Each holds rows beyond those that it deals, which its neighbours are then not given: where the
// line is short that matters.
const LONG_LINE = { groupsMax: 4, companyMin: 6 }
const SHORT_LINE = { groupsMax: 2, companyMin: 12 }

/** Answers parsed calls in groups, a transaction for each group. */
export function callGroups(edge: Edge): GroupCommit<ParsedCall, Answer> {
  const withCatalogue = { ...edge, catalogue: newCatalogue() }
  const line = newLine()
  const answer = async (trx: Trx, calls: readonly ParsedCall[]): Promise<Answer[]> => {
    const [answers] = await Promise.all([answerCalls(trx, calls, withCatalogue), line.look(trx, edge.now())])
    return answers
  }
  return groupCommit<ParsedCall, Answer>({
    commit: calls => inBusyTransaction(edge.knex, trx => answer(trx, calls)),
    keyOf: call => call.hostId,
    sizeMax: CALLS_PER_GROUP_MAX,
    mayJoin: (others, waiting) => {
      const { groupsMax, companyMin } = line.isLong() ? LONG_LINE : SHORT_LINE
      return others < groupsMax && waiting >= companyMin
    },
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
