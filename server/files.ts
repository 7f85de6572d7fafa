import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { type Blobs, openBlobs, UPLOADS } from '#store/blobs.ts'
import { type Bucket, openBucket } from '#store/bucket.ts'
import { openBucketBlobs } from '#store/bucket-blobs.ts'
import { listFiles } from '#store/files.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'

/** Where kernels, data, artifacts and exports are kept: the bucket of XEENET_S3_URL, or a directory beside the database. */
export function openFiles({ dataDir, s3, s3CacheBytes }: Config): Promise<Blobs> {
  if (s3 === undefined) return openBlobs(join(dataDir, 'files'))
  // Not the directory of files: what lies there is no copy, and must never be trimmed.
  const cacheDirectory = join(dataDir, 'files-cache')
  return openBucketBlobs({
    bucket: openBucket(s3),
    cacheDirectory,
    cacheBytes: s3CacheBytes,
    now: systemClock,
  })
}

/** Does once what a server does with its bucket; nothing stays. Throws `BucketError` where it must not. */
export async function proveBucket(bucket: Bucket): Promise<void> {
  const start = `${UPLOADS}/probe.${randomUUID()}/` // swept if we are killed here
  await bucket.write(`${start}0`, Buffer.from('xeenet'))
  for await (const { name } of bucket.list(start)) {
    await bucket.read(name)
    await bucket.remove(name)
  }
}

interface Copied {
  readonly there: number // before
  readonly copied: number
  readonly missing: number // in neither place
}

/** Fills a store with the files that the database knows and another store has. Killed at any line, it goes on when it is run again. */
export async function copyFiles(knex: Knex, { from, to }: { from: Blobs; to: Blobs }): Promise<Copied> {
  let [there, copied, missing] = [0, 0, 0]
  for (const { sha256 } of await listFiles(knex)) {
    if (await to.has(sha256)) {
      there += 1
      continue
    }
    const path = await from.local(sha256)
    const upload = `copy.${sha256}`
    if (path !== undefined) await to.fill(upload, createReadStream(path), Number.MAX_SAFE_INTEGER)
    // One with other bytes than its name says is as good as none.
    if (path !== undefined && (await to.finish(upload, sha256)) === 'stored') copied += 1
    else missing += 1
  }
  return { there, copied, missing }
}
