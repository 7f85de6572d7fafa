import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeviceStart, DeviceToken } from '#protocol/devices.ts'
import type { KeyScope } from '#protocol/keys.ts'
import { ask, type Endpoint, Refusal } from '#runtime/api.ts'
import type { Talk } from './talk.ts'

/**
 * Asks for a login that a person confirms in a browser, says where, and waits for it. The endpoint's own token is not used.
 * @throws Refusal when it was refused, or not confirmed in time
 */
export async function deviceLogin(
  { token: _, ...endpoint }: Endpoint,
  talk: Talk,
  scopes: readonly KeyScope[],
): Promise<DeviceToken> {
  // The name of the machine is what its owner knows it by; it is kept for ten minutes and in the label of the key.
  const body = JSON.stringify({ machine: hostname().slice(0, 60) || 'a computer', scopes })
  const start = await ask(endpoint, DeviceStart, { method: 'POST', path: '/api/v1/devices', body })
  const { url, userCode, expiresInMs } = start
  const at = `${url}?code=${userCode}`
  const fields = { url, code: userCode, expires_s: expiresInMs / 1000 }
  talk.event('need_login', fields, `To log in, open\n\n  ${at}\n\nand see that it shows ${userCode}`)
  const token = await waitForToken(endpoint, start)
  talk.event('logged_in', { user: token.userId, name: token.name }, `logged in as ${token.name}`)
  return token
}

async function waitForToken(
  endpoint: Endpoint,
  { deviceCode, intervalMs }: DeviceStart,
): Promise<DeviceToken> {
  const asked = {
    method: 'POST',
    path: '/api/v1/devices/token',
    body: JSON.stringify({ deviceCode }),
  } as const
  for (let waitMs = intervalMs; ; ) {
    await sleep(waitMs)
    try {
      return await ask(endpoint, DeviceToken, asked)
    } catch (error) {
      if (!(error instanceof Refusal) || !error.problem.retryable) throw error
      waitMs = error.problem.retryAfterMs ?? intervalMs
    }
  }
}
