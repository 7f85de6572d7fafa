import { randomInt } from 'node:crypto'
import type { RequestHandler } from 'express'
import { grantableScopes } from '#domain/keys.ts'
import { scopesOf } from '#domain/login.ts'
import {
  DeviceBody,
  DeviceDecideBody,
  DeviceLookBody,
  type DeviceStart,
  type DeviceToken,
  DeviceTokenBody,
  type DeviceView,
} from '#protocol/devices.ts'
import { DEVICE_INTERVAL_MS, DEVICE_MS, DEVICES_WAITING_MAX, KEYS_PER_ACCOUNT_MAX } from '#protocol/limits.ts'
import { addMs, toWire, type UserId } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import {
  type DeviceRow,
  decideDevice,
  findDevice,
  insertDevice,
  lockDevice,
  notePoll,
  removeDevice,
} from '#store/devices.ts'
import { insertKey } from '#store/keys.ts'
import { newTokenText, tokenHash } from '#store/tokens.ts'
import { findUser } from '#store/users.ts'
import { originOf } from './accounts.ts'
import { requireSession } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'
import type { Throttle } from './throttle.ts'

// RFC 8628's letters: no vowels, so no words, and none that is taken for another. 20⁸ codes, of which ten minutes' worth is alive.
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const newUserCode = (): string => Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join('')

/** POST /devices: a program asks for a login. */
export function startDevice(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { machine, scopes } = parse(DeviceBody, parseJson(bodyOf(req)))
    const now = edge.now()
    const [deviceCode, userCode] = [newTokenText('device'), newUserCode()]
    const device = {
      ...{ hash: tokenHash(deviceCode), userCode, machine, address: req.ip ?? '', scopes, now },
      ...{ expiresAt: addMs(now, DEVICE_MS), intervalMs: DEVICE_INTERVAL_MS },
    }
    if (!(await insertDevice(edge.knex, device, DEVICES_WAITING_MAX)))
      throw new Refused('unavailable', 'too many machines wait for a login', { retryAfterMs: DEVICE_MS })
    const reply: DeviceStart = {
      ...{
        deviceCode,
        userCode: `${userCode.slice(0, 4)}-${userCode.slice(4)}`,
        intervalMs: DEVICE_INTERVAL_MS,
      },
      ...{ url: `${originOf(edge, req)}/device`, expiresInMs: DEVICE_MS },
    }
    res.status(201).json(reply)
  }
}

/** POST /devices/token: what was decided. Who asks too often waits longer each time. */
export function pollDevice(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { deviceCode } = parse(DeviceTokenBody, parseJson(bodyOf(req)))
    const outcome = await inTransaction(edge.knex, trx => poll(trx, edge, deviceCode))
    if (outcome instanceof Refused) throw outcome // after what was noted is committed
    res.json(outcome)
  }
}

async function poll(trx: Trx, edge: Edge, deviceCode: string): Promise<DeviceToken | Refused> {
  const now = edge.now()
  const device = await lockDevice(trx, tokenHash(deviceCode))
  if (device === undefined || device.expiresAt <= now) return new Refused('device_expired')
  const { hash, state, decidedBy, polledAt } = device
  if (state === 'denied') return new Refused('device_denied')
  if (state === 'approved' && decidedBy !== null) {
    await removeDevice(trx, hash)
    return giveKey(trx, edge, { device, userId: decidedBy })
  }
  const early = polledAt !== null && now < polledAt + device.intervalMs
  const intervalMs = early ? device.intervalMs + DEVICE_INTERVAL_MS : device.intervalMs
  await notePoll(trx, { hash, now, intervalMs })
  return new Refused(early ? 'device_slow_down' : 'device_pending', undefined, { retryAfterMs: intervalMs })
}

/** What was asked for, as far as who said yes may give it by now. */
async function giveKey(
  trx: Trx,
  edge: Edge,
  { device: { scopes: asked, machine }, userId }: { device: DeviceRow; userId: UserId },
): Promise<DeviceToken | Refused> {
  const now = edge.now()
  const user = await findUser(trx, userId)
  if (user === undefined) return new Refused('device_expired')
  const grantable = grantableScopes(scopesOf(user.roles), true)
  const scopes = grantable.filter(scope => scope === 'read' || asked.includes(scope))
  const token = newTokenText('key')
  const key = {
    ...{ id: edge.ids.token(now), userId, hash: tokenHash(token), label: `login of ${machine}`.slice(0, 60) },
    ...{ scopes, budgetMilli: null, hostsLeft: null, expiresAt: null, now },
  }
  if (!(await insertKey(trx, key, KEYS_PER_ACCOUNT_MAX))) return new Refused('keys_full')
  return { token, userId, name: user.name, scopes }
}

/** POST /devices/look: which machine shows this code. Guesses are bounded. */
export function lookAtDevice(edge: Edge, throttle: Throttle): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireSession(edge, req)
    const { userCode } = parse(DeviceLookBody, parseJson(bodyOf(req)))
    res.json(viewDevice(await guessed(edge, throttle, { userId, userCode })))
  }
}

/** POST /devices/decide: whether it gets a login. */
export function decideOnDevice(edge: Edge, throttle: Throttle): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireSession(edge, req)
    const { userCode, approve } = parse(DeviceDecideBody, parseJson(bodyOf(req)))
    const device = await guessed(edge, throttle, { userId, userCode })
    const state = approve ? 'approved' : 'denied'
    const decided = await decideDevice(edge.knex, { userCode, userId, state, now: edge.now() })
    // Said twice it is said once; another's decision stands.
    if (!decided && (device.decidedBy !== userId || device.state !== state))
      throw new Refused('device_unknown')
    res.json(viewDevice({ ...device, state }))
  }
}

async function guessed(
  edge: Edge,
  throttle: Throttle,
  { userId, userCode }: { userId: UserId; userCode: string },
): Promise<DeviceRow> {
  const scopes = throttle.scopesOfCode(userId)
  await throttle.take(scopes)
  const device = await findDevice(edge.knex, userCode, edge.now())
  if (device === undefined) throw new Refused('device_unknown')
  await inTransaction(edge.knex, trx => throttle.forgive(trx, scopes))
  return device
}

const viewDevice = ({ machine, address, scopes, askedAt, expiresAt, state }: DeviceRow): DeviceView => ({
  ...{ machine, address, scopes, state },
  ...{ askedAt: toWire(askedAt), expiresAt: toWire(expiresAt) },
})
