import { hash } from 'node:crypto'
import type { Hash } from '#protocol/merkle.ts'
import { Sha256 } from '#protocol/units.ts'

/** SHA-256 of bytes, or of a text's UTF-8, at once: `sha256` of the protocol, which browsers have as well, costs a turn of the thread pool. */
export const sha256Of = (data: string | Uint8Array): Sha256 => Sha256.parse(hash('sha256', data, 'hex'))

/** The same as bytes, for what hashes hashes. */
export const sha256Bytes: Hash = data => hash('sha256', data, 'buffer')
