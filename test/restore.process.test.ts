import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { restoreStory } from '#ops/restore.ts'
import { openBucket } from '#store/bucket.ts'
import { startStorage } from '#support/storage.ts'

const cleanup: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const clean of cleanup.splice(0).toReversed()) await clean()
})

test('a server with its files in a bucket is destroyed, and the bucket emptied; both are made again from the backup of while it ran; its volunteers go on, and nothing from before it is lost', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'xeenet-restore-'))
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }))
  const storage = await startStorage(join(dir, 'storage'))
  cleanup.push(() => storage.kill())
  const bucket = openBucket(storage.place)
  let files = 0
  const restored = await restoreStory({
    dir,
    file: join(import.meta.dirname, '../ops/kill.yaml'),
    accepted: 4,
    runs: 50,
    env: storage.env,
    destroy: async () => {
      for await (const { name } of bucket.list('files/')) {
        await bucket.remove(name)
        files += 1
      }
    },
  })
  // Kernels and data were there, and are again.
  expect(files).toBeGreaterThan(3)
  expect((await Array.fromAsync(bucket.list('files/'))).length).toBeGreaterThan(3)
  expect(restored).toMatchObject({
    ...{ lost: [], sameServer: true, sound: true, workUnits: 50, unsettled: 0 },
    ...{ ledgerSum: 0, accountsWrong: 0, doubleGrants: 0, unpaidOrOverpaid: 0 },
  })
  expect(restored.before).toBeGreaterThanOrEqual(4)
  expect(restored.after).toBeGreaterThanOrEqual(4)
})
