import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ConfigError } from './config-sources.ts'
import { exportKey, generateKey, importKey, type SigningKey } from './kernels/sign.ts'

export interface Secrets {
  /** Seeds, drawn checks and hashed addresses depend on it: servers that share it agree on them. */
  readonly server: string
  /** By which the operator admits kernels. Clients pin its fingerprint. */
  readonly operator: SigningKey
}

/** The directory of what only the server may read. */
export const secretsDirectory = (dataDir: string): string => join(dataDir, 'secrets')

/** Reads the secrets, making those that do not exist. Throws `ConfigError` for a file that holds something else. */
export async function openSecrets(options: { dataDir: string; secretFile: string }): Promise<Secrets> {
  const server = await keepSecret(options.secretFile, async () => randomBytes(32).toString('hex'))
  if (server.length < SECRET_CHARS_MIN)
    throw new ConfigError(`${options.secretFile}: a secret has at least ${SECRET_CHARS_MIN} characters`)
  return { server, operator: await openOperatorKey(options.dataDir) }
}

/** The operator's signing key of a data directory, made when there is none. Throws `ConfigError` for another file there. */
export async function openOperatorKey(dataDir: string): Promise<SigningKey> {
  const file = join(secretsDirectory(dataDir), 'operator.pem')
  const key = await importKey(await keepSecret(file, async () => exportKey(await generateKey())))
  if (key === undefined) throw new ConfigError(`${file}: not an Ed25519 private key in PEM`)
  return key
}

const nextKeyPath = (dataDir: string): string => join(secretsDirectory(dataDir), 'operator.next.pem')

/** The key that is to follow the operator's, made when there is none: until it is adopted it signs nothing. */
export async function makeNextKey(dataDir: string): Promise<SigningKey> {
  await keepSecret(nextKeyPath(dataDir), async () => exportKey(await generateKey()))
  const key = await nextOperatorKey(dataDir)
  if (key === undefined) throw new ConfigError(`${nextKeyPath(dataDir)}: it was adopted a moment ago`)
  return key
}

/** The same; undefined when there is none. Throws `ConfigError` for another file there. */
export async function nextOperatorKey(dataDir: string): Promise<SigningKey | undefined> {
  const pem = await readOptional(nextKeyPath(dataDir))
  if (pem === undefined) return undefined
  const key = await importKey(pem)
  if (key === undefined) throw new ConfigError(`${nextKeyPath(dataDir)}: not an Ed25519 private key in PEM`)
  return key
}

/** The next key takes the place of the operator's, whose private half is gone with that. Done by another process already, it is done. */
export async function adoptNextKey(dataDir: string): Promise<void> {
  try {
    await rename(nextKeyPath(dataDir), join(secretsDirectory(dataDir), 'operator.pem'))
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

const SECRET_CHARS_MIN = 32

/**
 * The text of a file that only we can read. When there is none it is written with what `make` gives, completely or not at
 * all, and never over another: of several processes one wins and all read its text.
 */
export async function keepSecret(path: string, make: () => Promise<string>): Promise<string> {
  const found = await readOptional(path)
  if (found !== undefined) return found.trim()
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await writeDurably(temporary, `${(await make()).trim()}\n`)
    await link(temporary, path) // unlike a rename it refuses to replace
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  } finally {
    await rm(temporary, { force: true })
  }
  return (await readFile(path, 'utf8')).trim()
}

/** Writes a file that only we can read, and has it on the disk when it returns. */
async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
