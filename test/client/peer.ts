// The other end of the wire, as the contract says it, with faults on demand: a real HTTP server that answers each
// scheduler call by a script. It has no logic of the server's; replies are what a test says.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import { packRelease } from '#kernels/package.ts'
import { generateKey, type SigningKey, signRelease, signSuccessor } from '#kernels/sign.ts'
import { canonicalJson, sha256, utf8 } from '#protocol/canonical.ts'
import {
  CALL_HEADER,
  callBytes,
  callWithReportsBytes,
  EnrolBody,
  HOST_HEADER,
  REPORTS_HEADER,
  SIGNATURE_HEADER,
} from '#protocol/host.ts'
import type { ReleaseStatement, SignedRelease, SigningKeyList } from '#protocol/kernel.ts'
import { type ProblemCode, problem } from '#protocol/problem.ts'
import { type Lease, SchedulerBody, type SchedulerReply } from '#protocol/scheduler.ts'
import { generateEd25519, verifyBytes } from '#protocol/signature.ts'
import { CampaignId, HostId, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Identity } from '#runtime/api.ts'
import { type MODES, TOY_DATA, TOY_FUEL, type ToyChanges, toyManifest, toyModule, toyTask } from './toy.ts'

export type Fault = 'drop' | { readonly problem: ProblemCode; readonly retryAfterMs?: number }
export type Script = (body: SchedulerBody, call: number) => SchedulerReply | Fault

interface Seen {
  readonly call: number
  readonly text: string
  readonly body: SchedulerBody
  /** The root over reports that the call signed. */
  readonly root: string | undefined
}

export interface Peer {
  readonly url: string
  readonly identity: Identity
  readonly keys: readonly { keyId: Sha256; publicKey: string }[]
  /** What it says of its keys since the first one. */
  signingKeys: SigningKeyList['keys']
  readonly hostKey: string
  readonly seen: readonly Seen[]
  readonly uploads: Map<string, Uint8Array>
  /** How often each file was asked for. */
  readonly downloads: Map<string, number>
  /** Bytes served by hash; a test may replace them. */
  readonly files: Map<string, Uint8Array>
  /** How the next enrolments are answered; an empty list accepts. */
  readonly enrolFaults: Fault[]
  readonly enrolments: EnrolBody[]
  /** The next downloads fail so often with 503. */
  busyDownloads: number
  lease(n: number, mode?: keyof typeof MODES, changed?: Partial<Lease>): Promise<Lease>
  release: SignedRelease
  /** Signs another release and serves it. */
  publish(kernel: Omit<ReleaseStatement, 'type' | 'keyId'>, tar: Uint8Array): Promise<SignedRelease>
  close(): Promise<void>
}

export const resultId = (n: number): ResultId => ResultId.parse(`r_${String(n).padStart(26, '0')}`)

const SERVER_ID = 'the-test-server'
const HOST_ID = HostId.parse(`h_${'0'.repeat(26)}`)

/** The peer says that its key followed another one a moment ago; gives that one. */
export async function followedUp(peer: Peer): Promise<Peer['keys'][number]> {
  const [before, [current]] = [await generateKey(), peer.keys]
  if (current === undefined) throw new Error('a peer has a key')
  const { keyId, publicKey } = before
  const at = '2026-11-22T00:00:00.000Z'
  peer.signingKeys = [
    { keyId, publicKey, since: at, until: at, successor: await signSuccessor(before, current.publicKey) },
    { ...current, since: at, until: null, successor: null },
  ]
  return { keyId, publicKey }
}

export async function startPeer(script: Script, changes: ToyChanges = {}): Promise<Peer> {
  const key = await generateKey()
  const { release, tar } = await toyRelease(key, changes)
  const host = await generateEd25519()
  const dataHash = await sha256(TOY_DATA)
  const seen: Seen[] = []
  let hostKey = host.publicKey
  const server = createServer((req, res) => {
    answer(req, res).catch(error => res.destroy(error instanceof Error ? error : undefined))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  const peer: Peer = {
    url: `http://127.0.0.1:${address.port}`,
    identity: { serverId: SERVER_ID, hostId: HOST_ID, token: 'xh_token', privateKey: host.privateKey },
    keys: [{ keyId: key.keyId, publicKey: key.publicKey }],
    signingKeys: [],
    hostKey: host.publicKey,
    seen,
    uploads: new Map(),
    downloads: new Map(),
    files: new Map([
      [release.statement.releaseSha256, tar],
      [dataHash, TOY_DATA],
    ]),
    enrolFaults: [],
    enrolments: [],
    busyDownloads: 0,
    release,
    publish: (kernel, tar) => {
      peer.files.set(kernel.releaseSha256, tar)
      return signRelease(key, kernel)
    },
    lease: async (n, mode = 'normal', changed = {}) => {
      const { job, runKey } = await toyTask({ mode, seed: n })
      return {
        resultId: resultId(n),
        workUnitId: WorkUnitId.parse(`w_${String(n).padStart(26, '0')}`),
        campaign: { id: CampaignId.parse(`c_${'0'.repeat(26)}`), title: 'Does the toy stir?' },
        job,
        runKey,
        engineClass: 'wasm' as const,
        kernel: { name: 'toy', version: 0, release: peer.release },
        data: [{ sha256: dataHash, bytes: TOY_DATA.length }],
        fuelMax: TOY_FUEL,
        memoryPagesMax: 16,
        deadline: '2036-11-22T00:00:00.000Z',
        ...changed,
      }
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await bytesOf(req)
    if (req.url === '/api/v1/hosts') return enrol(res, body)
    if (req.url === '/api/v1/hosts/challenge') return challenge(res)
    if (req.url === '/api/v1/signing-keys') return void res.end(JSON.stringify({ keys: peer.signingKeys }))
    await checkSignature(req, body)
    const file = /^\/api\/v1\/files\/([0-9a-f]{64})$/.exec(req.url ?? '')?.[1]
    if (file !== undefined && req.method === 'PUT') {
      peer.uploads.set(file, body)
      res.writeHead(204).end()
    } else if (file !== undefined) sendFile(res, file)
    else if (req.url === '/api/v1/scheduler') schedule(req, res, body)
    else refuse(res, { problem: 'not_found' })
  }

  function enrol(res: ServerResponse, bytes: Uint8Array): void {
    const body = EnrolBody.parse(JSON.parse(new TextDecoder().decode(bytes)))
    peer.enrolments.push(body)
    const fault = peer.enrolFaults.shift()
    if (fault === 'drop') res.destroy()
    else if (fault !== undefined) refuse(res, fault)
    else {
      hostKey = body.publicKey
      const { serverId, hostId, token } = peer.identity
      const reply = {
        serverId,
        hostId,
        userId: null,
        name: body.name ?? 'owl-1',
        token,
        kernelKeys: peer.keys,
      }
      res.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
    }
  }

  async function challenge(res: ServerResponse): Promise<void> {
    const made = await createChallenge({
      ...{ algorithm: 'PBKDF2/SHA-256', cost: 1, keyPrefix: '0', deriveKey, hmacSignatureSecret: 'peer' },
      data: { expiresAt: '2036-11-22T00:00:00.000Z' },
    })
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(made))
  }

  function sendFile(res: ServerResponse, hash: string): void {
    peer.downloads.set(hash, (peer.downloads.get(hash) ?? 0) + 1)
    const bytes = peer.files.get(hash)
    peer.busyDownloads -= 1
    if (peer.busyDownloads >= 0) refuse(res, { problem: 'unavailable' })
    else if (bytes === undefined) refuse(res, { problem: 'not_found' })
    else res.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes)
  }

  function schedule(req: IncomingMessage, res: ServerResponse, bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes)
    const body = SchedulerBody.parse(JSON.parse(text))
    const call = Number(req.headers[CALL_HEADER])
    seen.push({ call, text, body, root: req.headers[REPORTS_HEADER]?.toString() })
    const reply = script(body, call)
    if (reply === 'drop') res.destroy()
    else if ('problem' in reply) refuse(res, reply)
    else res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
  }

  /** Every signed call must verify as the contract says. */
  async function checkSignature(req: IncomingMessage, body: Uint8Array): Promise<void> {
    if (req.method === 'GET') return
    const own = callBytes({
      serverId: SERVER_ID,
      hostId: HOST_ID,
      call: Number(req.headers[CALL_HEADER]),
      method: req.method === 'PUT' ? 'PUT' : 'POST',
      path: req.url ?? '',
      bodySha256: await sha256(body),
    })
    const root = req.headers[REPORTS_HEADER]
    const bytes =
      root === undefined
        ? own
        : callWithReportsBytes({ call: await sha256(own), reports: Sha256.parse(root) })
    const good = await verifyBytes(hostKey, bytes, String(req.headers[SIGNATURE_HEADER]))
    if (!good || req.headers[HOST_HEADER] !== HOST_ID || req.headers.authorization !== 'Bearer xh_token')
      throw new Error('a call was not signed as the contract says')
  }

  return peer
}

function refuse(res: ServerResponse, { problem: code, retryAfterMs }: Exclude<Fault, 'drop'>): void {
  const body = { ...problem(code), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  res.writeHead(body.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body))
}

async function bytesOf(req: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of req) parts.push(part as Buffer)
  return new Uint8Array(Buffer.concat(parts))
}

/** A signed release of the toy; `changes` to its manifest. */
async function toyRelease(key: SigningKey, changes: ToyChanges) {
  const module = await toyModule()
  const manifest = await toyManifest(changes)
  const tar = await packRelease({ manifest: utf8(canonicalJson(manifest)), module, source: new Map() })
  const moduleSha256 = await sha256(module)
  const releaseSha256 = await sha256(tar)
  const release = await signRelease(key, { name: 'toy', version: 0, serial: 1, releaseSha256, moduleSha256 })
  return { release, tar }
}
