import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fingerprint } from '#protocol/signature.ts'
import { announce, findRunning, withdraw } from '#server/running.ts'
import { keepSecret, openSecrets } from '#server/secrets.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-secrets-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('secrets', () => {
  test('are made once, for our eyes only, and read ever after', async () => {
    const options = { dataDir: directory, secretFile: join(directory, 'secrets', 'server.secret') }
    const first = await openSecrets(options)
    expect(first.server).toMatch(/^[0-9a-f]{64}$/)
    expect(first.operator.keyId).toBe(await fingerprint(first.operator.publicKey))
    expect(await openSecrets(options)).toEqual(first)
    for (const name of await readdir(join(directory, 'secrets')))
      expect((await stat(join(directory, 'secrets', name))).mode & 0o777).toBe(0o600)
  })

  test('of many makers at once one wins, and nothing half-made is left', async () => {
    const path = join(directory, 'race', 'secret')
    const kept = await Promise.all(
      Array.from({ length: 20 }, (_, i) => keepSecret(path, async () => `maker ${i}`)),
    )
    expect(new Set(kept).size).toBe(1)
    expect(await readFile(path, 'utf8')).toBe(`${kept[0]}\n`)
    expect(await readdir(join(directory, 'race'))).toEqual(['secret'])
  })

  test('that are too short, or no key, are refused and left as they are', async () => {
    const secretFile = join(directory, 'short')
    await writeFile(secretFile, 'hunter2\n')
    await expect(openSecrets({ dataDir: directory, secretFile })).rejects.toThrow('at least 32 characters')
    expect(await readFile(secretFile, 'utf8')).toBe('hunter2\n')
    const pem = join(directory, 'secrets', 'operator.pem')
    await writeFile(pem, 'not a key')
    const options = { dataDir: directory, secretFile: join(directory, 'secrets', 'server.secret') }
    await expect(openSecrets(options)).rejects.toThrow('operator.pem')
    expect(await readFile(pem, 'utf8')).toBe('not a key')
  })
})

describe('the note of a running server', () => {
  const note = { pid: process.pid, url: 'http://127.0.0.1:1', connectionString: 'postgresql://secret' }

  test('is found while its process lives, read by us only, and taken away by its writer only', async () => {
    await announce(directory, note)
    expect(await findRunning(directory)).toEqual(note)
    expect((await stat(join(directory, 'server.json'))).mode & 0o777).toBe(0o600)
    await withdraw(directory, process.pid + 1)
    expect(await findRunning(directory)).toEqual(note)
    await withdraw(directory, process.pid)
    expect(await findRunning(directory)).toBeUndefined()
  })

  test('of a killed server, or one that nobody can read, counts for nothing', async () => {
    await announce(directory, { ...note, pid: 2 ** 22 + 1 }) // above the largest pid of any system we run on
    expect(await findRunning(directory)).toBeUndefined()
    await writeFile(join(directory, 'server.json'), '{')
    expect(await findRunning(directory)).toBeUndefined()
  })
})
