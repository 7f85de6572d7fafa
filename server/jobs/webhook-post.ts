import { lookup } from 'node:dns/promises'
import { Agent, request } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { getCACertificates } from 'node:tls'
import { Webhook } from 'standardwebhooks'
import type { Attempt } from '#domain/webhook.ts'
import { WEBHOOK_MS_MAX } from '#protocol/limits.ts'
import type { Instant } from '#protocol/units.ts'
import { targetChecker } from './webhook-address.ts'

export interface Message {
  readonly url: string // https
  readonly id: string
  readonly body: string
  readonly secret: string // whsec_…
  readonly at: Instant
}

/** Sends a message once, and says what came of it; never throws for what a receiver, its name or its address does. */
export type PostWebhook = (message: Message) => Promise<Attempt>

export interface PostOptions {
  /** Networks, as 10.0.0.0/8, that messages may go to although they are not public. */
  readonly networks: readonly string[]
  /** PEM certificates of authorities beside the system's. */
  readonly ca?: string | undefined
  readonly resolve?: (host: string) => Promise<readonly string[]>
  readonly timeoutMs?: number
}

/**
 * Posts signed messages by https, by Standard Webhooks. A name is resolved once; every address that it stands for must be
 * public or allowed, and the connection goes to the first of these very addresses, so that nothing is looked up a second
 * time. Redirects are answers like others, and the body of an answer is not read.
 */
export function webhookPoster({
  networks,
  ca,
  resolve = resolveAll,
  timeoutMs = WEBHOOK_MS_MAX,
}: PostOptions): PostWebhook {
  const mayReach = targetChecker(networks)
  return async message => {
    const url = new URL(message.url)
    if (url.protocol !== 'https:') return { type: 'refused', reason: 'only https addresses are called' }
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const host = url.hostname.replace(/^\[|\]$/g, '')
      const addresses = isIP(host) === 0 ? await inTime(resolve(host), signal) : [host]
      const [address] = addresses
      if (address === undefined) return { type: 'broken', reason: `${host} has no address` }
      // A name that stands for a public and for another address is one that somebody prepared.
      if (!addresses.every(mayReach)) return { type: 'refused', reason: `${host} is not a public address` }
      return await post(message, { url, address, ca, signal })
    } catch (error) {
      const reason = signal.aborted ? `no answer in ${timeoutMs} ms` : messageOf(error)
      return { type: 'broken', reason: reason.slice(0, REASON_CHARS) }
    }
  }
}

const REASON_CHARS = 300

interface Connection {
  readonly url: URL
  readonly address: string
  readonly ca: string | undefined
  readonly signal: AbortSignal
}

function post(message: Message, { url, address, ca, signal }: Connection): Promise<Attempt> {
  const { id, at, body, secret } = message
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0, ...trust(ca) })
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      {
        ...{ method: 'POST', agent, signal, lookup: pinned(address) },
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'xeenet-webhook/1',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at / 1000)),
          'webhook-signature': new Webhook(secret).sign(id, new Date(at), body),
        },
      },
      response => {
        resolve({ type: 'answered', status: response.statusCode ?? 0 })
        response.destroy() // the status is the answer; a body might never end
      },
    )
    call.on('error', reject)
    // Of an answer that changes the protocol (101) nothing but this is heard.
    call.on('close', () => reject(new Error('the connection was closed without an answer')))
    call.end(body)
  })
}

/** Every look-up of the connection answers with the address that was checked. */
function pinned(address: string): LookupFunction {
  const family = isIP(address)
  return (_host, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}

const trust = (ca: string | undefined) =>
  ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }

const resolveAll = async (host: string): Promise<string[]> =>
  (await lookup(host, { all: true })).map(({ address }) => address)

/** The system's look-up cannot be aborted: it is only not waited for. */
function inTime<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('too slow')), { once: true })
    promise.then(resolve, reject)
  })
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
