import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { BucketPlace } from '#store/bucket.ts'

/** A server of S3-compatible storage, a process of its own that keeps what it has in a directory. */
export interface Storage {
  /** Of its bucket `xeenet`, as its only user. */
  readonly place: BucketPlace
  /** What a server is told to use it. */
  readonly env: Readonly<Record<string, string>>
  kill(): Promise<void>
  /** Goes on, after a kill, with what is in the directory, at the same address. */
  again(): Promise<void>
}

const USER = 'S3RVER' // of s3rver: key and secret
// s3rver forgets the slash after a bucket when it checks the signature of an address without a name (as it does for `list`).
const PROGRAM = `
  const v4 = require('@20minutes/s3rver/lib/signature/v4.js')
  const { getStringToSign } = v4
  v4.getStringToSign = ({ uri, ...request }, ...rest) =>
    getStringToSign({ ...request, uri: /^.[^/]+$/.test(uri) ? uri + '/' : uri }, ...rest)
  require('@20minutes/s3rver/lib/cli.js').parseAsync()`

export async function startStorage(directory: string): Promise<Storage> {
  let { child, port } = await run(directory, 0)
  const endpoint = `http://127.0.0.1:${port}`
  return {
    place: {
      ...{ endpoint, bucket: 'xeenet', prefix: 'grid/', region: 'us-east-1' },
      ...{ accessKey: USER, secretKey: USER },
    },
    env: {
      XEENET_S3_URL: `${endpoint}/xeenet/grid`,
      XEENET_S3_ACCESS_KEY: USER,
      XEENET_S3_SECRET_KEY: USER,
    },
    kill: async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
    again: async () => {
      child = (await run(directory, port)).child
    },
  }
}

async function run(directory: string, port: number): Promise<{ child: ChildProcess; port: number }> {
  const options = ['-d', directory, '-p', String(port), '--silent', '--configure-bucket', 'xeenet']
  const child = spawn(process.execPath, ['-e', PROGRAM, 's3rver', ...options], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const [, found] = /listening on .*:(\d+)$/.exec(line) ?? []
    if (found !== undefined) return { child, port: Number(found) }
  }
  throw new Error('the storage did not start')
}
