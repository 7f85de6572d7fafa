import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { sha256Of } from '#domain/hash.ts'
import type { Act, ActView, PreviewView } from '#protocol/acts.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { PREVIEW_MS, UNDO_MS } from '#protocol/limits.ts'
import {
  type ActId,
  addMs,
  type Instant,
  instant,
  type Sha256,
  toWire,
  type UserId,
} from '#protocol/units.ts'
import { type ActRow, beginAct, findAct, findActOf, finishAct, markUndone, viewAct } from '#store/acts.ts'
import { inRehearsal, inTransaction, type Trx } from '#store/database.ts'
import { blockPlan, quotaPlan, rolesPlan } from './accounts.ts'
import { type ActDeps, ActRefused, type Look, type OperateDeps, type Plan } from './deps.ts'
import { decideAppeal, quarantine, release } from './hosts.ts'
import { keyPlan } from './keys.ts'
import { letterPlan } from './letters.ts'
import { alertPlan, campaignPlan, kernelPlan, rejectPlan } from './others.ts'
import { unitPlan } from './units.ts'

/** Who acts: an operator's account, or null at the command line of the machine itself. */
export type Actor = UserId | null

/** What an act would do now, and the token that lets this operator do it. Throws `ActRefused`. */
export async function preview(deps: OperateDeps, by: Actor, act: Act): Promise<PreviewView> {
  const { inverse, ...look } = await lookAt(deps, act)
  const expiresAt = addMs(deps.now(), PREVIEW_MS)
  const nonce = randomBytes(16).toString('hex') // two previews of one act are two acts
  const token = tokenOf(deps, { by, act, touches: look.touches, expiresAt, nonce })
  return {
    act,
    ...look,
    sample: [...look.sample],
    undoable: inverse !== null,
    token,
    expiresAt: toWire(expiresAt),
  }
}

/** What an act would do now. Nothing changes. Throws `ActRefused`. */
export const lookAt = (deps: ActDeps, act: Act): Promise<Look> =>
  inRehearsal(deps.knex, trx => planOf(act).look(trx, deps))

interface Wanted {
  readonly by: Actor
  readonly act: Act
  readonly reason: string
}

/**
 * Does an act under the token of its preview, with its row in the audit log, in one transaction. The same token again gives
 * the row that it made. Throws `ActRefused`: also when it would touch more than was shown.
 */
export async function perform(
  deps: OperateDeps,
  { token, ...wanted }: Wanted & { token: string },
): Promise<ActView> {
  const shown = readToken(deps, wanted, token)
  const name = sha256Of(token)
  const before = await findActOf(deps.knex, name)
  if (before !== undefined) return viewAct(before)
  if (shown.expiresAt < deps.now()) throw new ActRefused('preview_outdated', 'the preview has expired')
  const done = await inTransaction(deps.knex, trx =>
    actOnce(trx, deps, wanted, { preview: name, undoes: null, touchesMax: shown.touches }),
  )
  const row = done ?? (await findActOf(deps.knex, name))
  if (row === undefined) throw new Error('an act that was done before is there')
  return viewAct(row)
}

/** Does an act that somebody at the machine has counted: at most `touchesMax` things change. */
export async function performCounted(
  deps: ActDeps,
  wanted: Omit<Wanted, 'by'>,
  touchesMax: number,
): Promise<ActView> {
  const done = await inTransaction(deps.knex, trx =>
    actOnce(trx, deps, { by: null, ...wanted }, { preview: null, undoes: null, touchesMax }),
  )
  if (done === undefined) throw new Error('nothing stands in the way of an act without a preview')
  return viewAct(done)
}

/** Takes an act back, within some minutes; twice is once. Throws `ActRefused`. */
export async function undo(
  deps: ActDeps,
  { id, by, reason }: { id: ActId; by: Actor; reason: string },
): Promise<ActView> {
  const before = await mustFind(deps.knex, id)
  if (before.undoneBy !== null) return viewAct(await mustFind(deps.knex, before.undoneBy))
  const { inverse, undoUntil } = before
  if (inverse === null || undoUntil === null) throw new ActRefused('undo_impossible', 'nothing takes it back')
  if (undoUntil < deps.now()) throw new ActRefused('undo_impossible', `until ${toWire(undoUntil)} it could`)
  const done = await inTransaction(deps.knex, async trx => {
    const wanted = { by, act: inverse, reason }
    const row = await actOnce(trx, deps, wanted, { preview: null, undoes: id, touchesMax: before.touched })
    if (row !== undefined) await markUndone(trx, id, row.id)
    return row
  })
  if (done !== undefined) return viewAct(done)
  const { undoneBy } = await mustFind(deps.knex, id)
  if (undoneBy === null) throw new Error('an act that was undone before names what undid it')
  return viewAct(await mustFind(deps.knex, undoneBy))
}

interface Under {
  readonly preview: Sha256 | null
  readonly undoes: ActId | null
  readonly touchesMax: number
}

/** Undefined when somebody acted under the same preview, or undid the same act, first. */
async function actOnce(
  trx: Trx,
  deps: ActDeps,
  { by, act, reason }: Wanted,
  { preview: name, undoes, touchesMax }: Under,
): Promise<ActRow | undefined> {
  const now = deps.now()
  const id = deps.ids.act(now)
  const plan = planOf(act)
  const { subject } = plan
  if (!(await beginAct(trx, { id, byUser: by, preview: name, act, subject, reason, undoes }, now)))
    return undefined
  const { touches, sentence, inverse } = await lookAgain(trx, deps, plan, touchesMax)
  const touched = await plan.do(trx, deps, reason)
  if (touched > touches) throw new ActRefused('preview_outdated', `it would touch ${touched} now`)
  const undoUntil = inverse === null || undoes !== null ? null : addMs(now, UNDO_MS)
  await finishAct(trx, id, { touched, sentence, inverse: undoUntil === null ? null : inverse, undoUntil })
  return mustFind(trx, id)
}

async function lookAgain(trx: Trx, deps: ActDeps, plan: Plan, touchesMax: number): Promise<Look> {
  const look = await plan.look(trx, deps)
  if (look.touches > touchesMax)
    throw new ActRefused('preview_outdated', `it would touch ${look.touches} now, ${touchesMax} were shown`)
  return look
}

async function mustFind(on: Parameters<typeof findAct>[0], id: ActId): Promise<ActRow> {
  const row = await findAct(on, id)
  if (row === undefined) throw new ActRefused('not_found', `act ${id}`)
  return row
}

interface Shown {
  readonly touches: number
  readonly expiresAt: Instant
  readonly nonce: string
}

// The token is what was shown, signed: to whom, which act, how many, until when.
function tokenOf({ secret }: OperateDeps, shown: Shown & Omit<Wanted, 'reason'>): string {
  const { by, act, touches, expiresAt, nonce } = shown
  const said = canonicalJson({ type: 'xeenet/preview/1', by, act, touches, expiresAt, nonce })
  return `${expiresAt}.${touches}.${nonce}.${createHmac('sha256', secret).update(said).digest('hex')}`
}

const TOKEN = /^(\d{1,15})\.(\d{1,9})\.([0-9a-f]{32})\.[0-9a-f]{64}$/

function readToken(deps: OperateDeps, { by, act }: Omit<Wanted, 'reason'>, token: string): Shown {
  const [, expires, touches, nonce] = TOKEN.exec(token) ?? []
  if (expires !== undefined && touches !== undefined && nonce !== undefined) {
    const shown = { touches: Number(touches), expiresAt: instant(Number(expires)), nonce }
    const good = Buffer.from(tokenOf(deps, { by, act, ...shown }))
    if (good.length === token.length && timingSafeEqual(good, Buffer.from(token))) return shown
  }
  throw new ActRefused('preview_missing', 'the token is not of a preview of this act by this operator')
}

function planOf(act: Act): Plan {
  switch (act.kind) {
    case 'quarantine_host':
      return quarantine(act)
    case 'release_host':
      return release(act)
    case 'decide_appeal':
      return decideAppeal(act)
    case 'pause_campaign':
    case 'resume_campaign':
    case 'end_campaign':
      return campaignPlan(act)
    case 'cancel_units':
    case 'requeue_units':
    case 'revalidate_units':
    case 'unstick_units':
      return unitPlan(act)
    case 'deprecate_kernel':
    case 'restore_kernel':
      return kernelPlan(act)
    case 'set_roles':
      return rolesPlan(act)
    case 'set_quota':
      return quotaPlan(act)
    case 'block_user':
    case 'unblock_user':
      return blockPlan(act)
    case 'resolve_alert':
    case 'reopen_alert':
      return alertPlan(act)
    case 'requeue_letters':
    case 'discard_letters':
      return letterPlan(act)
    case 'rotate_key':
      return keyPlan(act)
    case 'reject_proposal':
      return rejectPlan(act)
  }
}
