import { argon2Sync } from 'node:crypto'

interface Cost {
  readonly memory: number // KiB
  readonly passes: number
  readonly parallelism: number
}

/** A password as it is stored under other parameters than those of now. */
export function phcOf(password: string, cost: Cost): string {
  const nonce = Buffer.from('somesaltsomesalt')
  const tag = argon2Sync('argon2id', { ...cost, tagLength: 32, message: Buffer.from(password), nonce })
  const [salt, hash] = [nonce, tag].map(bytes => bytes.toString('base64').replace(/=+$/, ''))
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${salt}$${hash}`
}
