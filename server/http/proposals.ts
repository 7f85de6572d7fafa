import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { sha256Of } from '#domain/hash.ts'
import { claimFault } from '#domain/proposals.ts'
import { canonicalJson, utf8 } from '#protocol/canonical.ts'
import type { SignedRelease } from '#protocol/kernel.ts'
import { PAGE_ROWS_MAX, PROPOSALS_OPEN_MAX, PROPOSALS_PER_DAY_MAX } from '#protocol/limits.ts'
import { AdmitBody, type ProposalList, type ProposalView, RejectBody } from '#protocol/proposals.ts'
import { verifyBytes } from '#protocol/signature.ts'
import { addMs, ProposalId, toWire } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { insertFile } from '#store/files.ts'
import { insertKernel } from '#store/kernels.ts'
import {
  decide,
  findProposal,
  insertProposal,
  listProposals,
  lockAdmitted,
  lockProposal,
  type ProposalRow,
  proposalsOf,
  readProposal,
} from '#store/proposals.ts'
import { type Caller, requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

const DAY_MS = 24 * 3600_000

/** Before the body of a submission is read: who may not propose does not make us hold megabytes. */
export function mayPropose(edge: Edge): RequestHandler {
  return async (req, _res, next) => {
    await requireScope(edge, req, 'kernel')
    next()
  }
}

/** POST /kernels/proposals: a release as bytes. The same release again answers with the proposal that it made before. */
export function submitProposal(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId: ownerId } = await requireScope(edge, req, 'kernel')
    const release = bodyOf(req)
    if (release.length === 0) throw new Refused('bad_request', 'body: expected the bytes of a release')
    const [releaseSha256, now] = [sha256Of(release), edge.now()]
    const { row, fresh } = await inTransaction(edge.knex, async trx => {
      const since = addMs(now, -DAY_MS)
      const { same, open, recent } = await proposalsOf(trx, { ownerId, releaseSha256, since })
      if (same !== undefined) return { row: same, fresh: false }
      if (open >= PROPOSALS_OPEN_MAX)
        throw new Refused('proposals_too_many', `${open} wait for a decision; at most ${PROPOSALS_OPEN_MAX}`)
      if (recent >= PROPOSALS_PER_DAY_MAX)
        throw new Refused('proposals_too_many', `${recent} within a day; at most ${PROPOSALS_PER_DAY_MAX}`)
      const id = edge.ids.proposal(now)
      await insertProposal(trx, { id, ownerId, releaseSha256, release, now })
      await edge.wake.proposals(trx, [id])
      return { row: await mustFind(trx, id), fresh: true }
    })
    res.status(fresh ? 201 : 200).json(viewOf(row))
  }
}

const ProposalPage = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
  after: ProposalId.optional(),
})

/** GET /kernels/proposals: one's own, newest first; an operator's token sees everybody's. */
export function showProposals(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer = await requireScope(edge, req, 'kernel')
    const { limit, after: before } = parse(ProposalPage, req.query)
    const rows = await listProposals(edge.knex, {
      ...{ ownerId: bearer.userId, all: isOperator(bearer), before, limit },
    })
    const view: ProposalList = {
      proposals: rows.map(viewOf),
      nextAfter: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
    }
    res.json(view)
  }
}

/** GET /kernels/proposals/:id */
export function showProposal(edge: Edge): RequestHandler {
  return async (req, res) => void res.json(viewOf(await own(edge, req)))
}

/** GET /kernels/proposals/:id/release: its bytes, for its owner and for operators, until it is decided on. */
export function showRelease(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id } = await own(edge, req)
    const release = await readProposal(edge.knex, id)
    if (release === undefined) throw new Refused('proposal_closed', 'its bytes are not kept any more')
    res.type('application/octet-stream').send(Buffer.from(release))
  }
}

/** POST /kernels/proposals/:id/withdraw: by its owner. */
export function withdrawProposal(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireScope(edge, req, 'kernel')
    const { id, ownerId } = await own(edge, req)
    if (ownerId !== userId) throw new Refused('scope_missing', 'only its author withdraws a proposal')
    res.json(viewOf(await close(edge, id, { state: 'withdrawn' })))
  }
}

/** POST /kernels/proposals/:id/reject: by an operator, with reasons. */
export function rejectProposal(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireScope(edge, req, 'admin')
    const { id } = await own(edge, req)
    const { reasons } = parse(RejectBody, parseJson(bodyOf(req)))
    res.json(viewOf(await close(edge, id, { state: 'rejected', reasons })))
  }
}

/**
 * POST /kernels/proposals/:id/admit: the operator's signed statement, made on the operator's machine, which also ran the kernel.
 * The server offers the kernel from then on. Repeated, it answers the same.
 */
export function admitProposal(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireScope(edge, req, 'admin')
    const { id } = await own(edge, req)
    const { release: signed, rebuilt } = parse(AdmitBody, parseJson(bodyOf(req)))
    await assertSigned(edge, signed)
    const release = await readProposal(edge.knex, id)
    // Bytes first: a row never names a file that is not there. One that stays without a row is nobody's to read.
    if (release !== undefined) await edge.blobs.put(release)
    res.json(viewOf(await inTransaction(edge.knex, trx => admit(edge, trx, { id, signed, rebuilt }))))
  }
}

async function assertSigned({ kernelKeys }: Edge, { statement, signature }: SignedRelease): Promise<void> {
  const key = (await kernelKeys()).find(({ keyId }) => keyId === statement.keyId)
  if (key === undefined)
    throw new Refused(
      'statement_unfit',
      `${statement.keyId.slice(0, 12)}… is no key of this server's operator`,
    )
  if (!(await verifyBytes(key.publicKey, utf8(canonicalJson(statement)), signature)))
    throw new Refused('statement_unfit', 'the signature does not fit the statement')
}

async function admit(
  edge: Edge,
  trx: Trx,
  { id, signed, rebuilt }: { id: ProposalId; signed: SignedRelease; rebuilt: boolean },
): Promise<ProposalRow> {
  const proposal = await lockProposal(trx, id)
  if (proposal === undefined) throw new Refused('not_found')
  const { state, manifest, moduleSha256, releaseSha256, ownerId } = proposal
  const { statement } = signed
  if (manifest === null || moduleSha256 === null) throw new Refused('proposal_closed', `it is ${state}`)
  const { name, version, serial } = manifest
  const stated = {
    type: statement.type,
    keyId: statement.keyId,
    name,
    version,
    serial,
    releaseSha256,
    moduleSha256,
  }
  if (canonicalJson(stated) !== canonicalJson(statement))
    throw new Refused('statement_unfit', 'it is of another release')
  if (state === 'admitted') return proposal
  if (state !== 'checked') throw new Refused('proposal_closed', `it is ${state}`)
  const { isOperator, ...admitted } = await lockAdmitted(trx, { ownerId, name, moduleSha256 })
  const fault = claimFault({ ownerId, isOperator, name, version, serial }, admitted)
  if (fault !== undefined) throw new Refused('proposal_superseded', `${fault.code}: ${fault.detail}`)
  const now = edge.now()
  await insertFile(trx, { sha256: releaseSha256, bytes: proposal.bytes, kind: 'kernel', now })
  const kernel = { moduleSha256, releaseSha256, name, version, serial, manifest, ...signed }
  const outcome = await insertKernel(trx, kernel, now, isOperator ? null : ownerId)
  if (outcome !== 'created') throw new Refused('proposal_superseded', outcome)
  await decide(trx, id, { state: 'admitted', rebuilt }, now)
  edge.log.info({ kernel: `${name}@${version}`, moduleSha256, proposal: id }, 'kernel admitted')
  return mustFind(trx, id)
}

function close(edge: Edge, id: ProposalId, decision: Parameters<typeof decide>[2]): Promise<ProposalRow> {
  return inTransaction(edge.knex, async trx => {
    const closed = await decide(trx, id, decision, edge.now())
    const row = await mustFind(trx, id)
    if (closed === 0 && row.state !== decision.state)
      throw new Refused('proposal_closed', `it is ${row.state}`)
    return row
  })
}

const isOperator = (caller: Caller): boolean => caller.scopes.includes('admin')

/** The proposal of the address, if the token may see it: somebody else's does not exist. */
async function own(edge: Edge, req: Request): Promise<ProposalRow> {
  const bearer = await requireScope(edge, req, 'kernel')
  const id = parse(ProposalId, req.params.id, 'not_found')
  const row = await findProposal(edge.knex, id)
  if (row === undefined || (row.ownerId !== bearer.userId && !isOperator(bearer)))
    throw new Refused('not_found', `no proposal ${id}`)
  return row
}

async function mustFind(trx: Trx, id: ProposalId): Promise<ProposalRow> {
  const row = await findProposal(trx, id)
  if (row === undefined) throw new Error(`${id} is gone`)
  return row
}

const viewOf = ({ manifest, submittedAt, decidedAt, ...row }: ProposalRow): ProposalView => ({
  ...row,
  kernel: manifest === null ? null : `${manifest.name}@${manifest.version}`,
  serial: manifest?.serial ?? null,
  title: manifest?.title ?? null,
  submittedAt: toWire(submittedAt),
  decidedAt: decidedAt === null ? null : toWire(decidedAt),
})
