import { S3Client, S3Errors } from '@bradenmacdonald/s3-lite-client'

/** Where a bucket is, and as whom it is used. Addressed by path (endpoint/bucket/name), which every S3-compatible storage takes. */
export interface BucketPlace {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix: string // of all names, with a slash at its end; empty: none
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
}

/** Bytes under names in S3-compatible storage. Everything throws `BucketError`. */
export interface Bucket {
  has(name: string): Promise<boolean>
  /** Undefined: there is nothing of that name. */
  read(name: string): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Large ones go in parts. Whatever is cut off in the middle, nothing of it is ever seen under the name. */
  write(name: string, bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>
  /** All that begins so, in the order of names. */
  list(start: string): AsyncIterable<{ readonly name: string; readonly bytes: number; readonly at: number }>
  remove(name: string): Promise<void>
}

/** The storage refuses, or does not answer: a stable code, and what to do. */
export class BucketError extends Error {
  readonly code: 'files_bucket_missing' | 'files_refused' | 'files_unreachable' | 'files_failed'
  readonly hint: string

  constructor(code: BucketError['code'], message: string, cause: unknown) {
    super(message, { cause })
    this.code = code
    this.hint = HINTS[code]
  }
}

const HINTS = {
  files_bucket_missing: 'Create the bucket, or name another one in XEENET_S3_URL.',
  files_refused:
    'Check XEENET_S3_ACCESS_KEY, XEENET_S3_SECRET_KEY and XEENET_S3_REGION; the key must be allowed to list, read, write and delete in the bucket.',
  files_unreachable: 'Check XEENET_S3_URL, and that the storage answers at it.',
  files_failed: 'The storage said this; check XEENET_S3_URL and XEENET_S3_REGION.',
} as const

// At least 5 MiB by S3's rules. Up to five parts of an upload are in memory.
const PART_BYTES = 8 * 1024 * 1024

/** Talks to nobody yet. */
export function openBucket({ endpoint: endPoint, bucket, prefix, region, ...keys }: BucketPlace): Bucket {
  const client = new S3Client({ endPoint, bucket, region, ...keys })
  const asked = <T>(work: Promise<T>): Promise<T> =>
    work.catch(error => Promise.reject(told(error, endPoint)))
  return {
    has: name => asked(client.exists(prefix + name)),
    read: async name => {
      const response = await asked(client.getObject(prefix + name).catch(unlessMissing))
      return response === undefined ? undefined : bytesOf(response, endPoint)
    },
    write: async (name, bytes) => {
      const body = bytes instanceof Uint8Array ? Uint8Array.from(bytes) : streamOf(bytes)
      await asked(client.putObject(prefix + name, body, { partSize: PART_BYTES }))
    },
    list: async function* (start) {
      try {
        for await (const { key, size, lastModified } of client.listObjects({ prefix: prefix + start }))
          yield { name: key.slice(prefix.length), bytes: size, at: lastModified.getTime() }
      } catch (error) {
        throw told(error, endPoint)
      }
    },
    remove: name => asked(client.deleteObject(prefix + name)),
  }
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof S3Errors.ServerError && error.code === 'NoSuchKey') return undefined
  throw error
}

async function* bytesOf(response: Response, endpoint: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk
  } catch (error) {
    throw told(error, endpoint)
  }
}

function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream({
    pull: async controller => {
      const next = await iterator.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    cancel: async () => void (await iterator.return?.()),
  })
}

// Too busy, or a proxy without a server behind it: the same as none.
const SERVER_FAULT = 500

/** What went wrong, in our words. What is none of the storage's (a stream that broke off, say) stays as it is. */
function told(error: unknown, endpoint: string): unknown {
  if (error instanceof S3Errors.ServerError) {
    const { code, statusCode, message } = error
    const said = `${endpoint}: ${code}: ${message}`
    if (code === 'NoSuchBucket') return new BucketError('files_bucket_missing', said, error)
    if (statusCode === 401 || statusCode === 403) return new BucketError('files_refused', said, error)
    return new BucketError(statusCode >= SERVER_FAULT ? 'files_unreachable' : 'files_failed', said, error)
  }
  if (error instanceof S3Errors.S3Error) return new BucketError('files_failed', error.message, error)
  // fetch says why only in the cause.
  if (error instanceof TypeError && error.cause instanceof Error)
    return new BucketError('files_unreachable', `${endpoint}: ${error.cause.message}`, error)
  return error
}
