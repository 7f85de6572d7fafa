// What proves to anyone, without the call in which it came, that a host said this digest of this result. Either the report has a
// signature of its own, or one signature is that of a call and of all its reports: over `callWithReportsBytes`, with the root of a
// Merkle tree whose leaves are `reportBytes`. Then the proof of a report is, as text,
//
//   signature of the call . hash of its `callBytes`, path from the leaf to the root
//
// in base64url: 130 characters for the only report of a call, 306 for one of ten.

import { hex } from './canonical.ts'
import { type Claim, callWithReportsBytes, reportBytes } from './host.ts'
import {
  type Hashing,
  hashLater,
  joined,
  leafOfBytes,
  pathOf,
  rootBy,
  rootOf,
  type Tree,
  treeOver,
} from './merkle.ts'
import { fromBase64url, verifyBytes } from './signature.ts'
import { Sha256 } from './units.ts'

/** The tree over the reports of a call that have no signature of their own, in their order. */
export function* treeOfReports(claims: readonly Claim[]): Hashing<Tree> {
  const leaves: Uint8Array[] = []
  for (const claim of claims) leaves.push(yield* leafOfBytes(reportBytes(claim)))
  return yield* treeOver(leaves)
}

/** What the call signs of a tree; undefined: there is no report. */
export function reportsRoot(tree: Tree): Sha256 | undefined {
  const root = rootOf(tree)
  return root === undefined ? undefined : Sha256.parse(hex(root))
}

/** A call as its reports are proven by it. */
export interface SigningCall {
  /** The hash of its `callBytes`. */
  readonly call: Sha256
  readonly signature: string
}

/** The proof of one report of a tree, for the place of the signature that it has not. */
export function proofOf({ call, signature }: SigningCall, tree: Tree, report: number): string {
  const proof = joined([Uint8Array.fromHex(call), pathOf(tree, report)])
  // As `toBase64url` would, in a tenth of its time: only servers do this, and for every report.
  return `${signature}.${proof.toBase64({ alphabet: 'base64url', omitPadding: true })}`
}

const HASH_BYTES = 32

/**
 * Whether whoever has this key said this of a result, by the signature of the report or by the proof in its place. What is
 * malformed proves nothing.
 */
export async function isProven(publicKey: string, claim: Claim, signature: string): Promise<boolean> {
  const [signed = '', rest, ...more] = signature.split('.')
  if (rest === undefined) return verifyBytes(publicKey, reportBytes(claim), signed)
  const proof = fromBase64url(rest)
  if (proof === undefined || more.length > 0) return false
  const root = await hashLater(rootFrom(claim, proof.subarray(HASH_BYTES)))
  if (root === undefined) return false
  const call = Sha256.safeParse(hex(proof.subarray(0, HASH_BYTES)))
  if (!call.success) return false
  const bytes = callWithReportsBytes({ call: call.data, reports: Sha256.parse(hex(root)) })
  return verifyBytes(publicKey, bytes, signed)
}

function* rootFrom(claim: Claim, path: Uint8Array): Hashing<Uint8Array | undefined> {
  return yield* rootBy(yield* leafOfBytes(reportBytes(claim)), path)
}
