// Merkle trees as RFC 6962 has them. Servers hash at once, browsers only by promises, so what is computed here asks for its hashes:
// it yields bytes and takes their SHA-256.

/** SHA-256; of a text, that of its UTF-8. */
export type Hash = (data: Uint8Array | string) => Uint8Array

/** A computation that yields what is to be hashed. */
export type Hashing<T> = Generator<Uint8Array<ArrayBuffer>, T, Uint8Array>

/** The tree over some leaves: its levels, the leaves first and the root last. */
export type Tree = readonly (readonly Uint8Array[])[]

/** What comes before the bytes of a leaf, so that they are never taken for two hashes under a node. */
export const LEAF = 0
const NODE = 1

const HASH_BYTES = 32
// A step of a path: on which side its hash is, and the hash.
const STEP_BYTES = 1 + HASH_BYTES
const LEFT = 0
const RIGHT = 1

/** Does a computation with hashes that are there at once. */
export function hashNow<T>(steps: Hashing<T>, hash: Hash): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next(hash(step.value))
  return step.value
}

/** The same with WebCrypto, which Node and browsers share. */
export async function hashLater<T>(steps: Hashing<T>): Promise<T> {
  let step = steps.next()
  while (step.done !== true) {
    step = steps.next(new Uint8Array(await crypto.subtle.digest('SHA-256', step.value)))
  }
  return step.value
}

/** The leaf of some bytes. */
export function* leafOfBytes(bytes: Uint8Array): Hashing<Uint8Array> {
  return yield behind(LEAF, bytes)
}

/** The tree over these leaves; over none it has no root. */
export function* treeOver(leaves: readonly Uint8Array[]): Hashing<Tree> {
  let level = leaves
  const tree = [level]
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i], level[i + 1]]
      if (left === undefined) break
      above.push(right === undefined ? left : yield behind(NODE, left, right))
    }
    level = above
    tree.push(level)
  }
  return tree
}

export const rootOf = (tree: Tree): Uint8Array | undefined => tree.at(-1)?.[0]

/** What leads from a leaf to the root: of each level the hash beside, and its side. */
export function pathOf(tree: Tree, leaf: number): Uint8Array {
  const steps = tree.slice(0, -1).flatMap((level, height) => {
    const place = leaf >> height
    const beside = level[place ^ 1]
    return beside === undefined ? [] : [behind(place % 2 === 0 ? RIGHT : LEFT, beside)]
  })
  return joined(steps)
}

/** The root to which a path leads from a leaf; undefined: this is no path. */
export function* rootBy(leaf: Uint8Array, path: Uint8Array): Hashing<Uint8Array | undefined> {
  if (path.length % STEP_BYTES !== 0) return undefined
  let at = leaf
  for (let i = 0; i < path.length; i += STEP_BYTES) {
    const beside = path.subarray(i + 1, i + STEP_BYTES)
    if (path[i] === RIGHT) at = yield behind(NODE, at, beside)
    else if (path[i] === LEFT) at = yield behind(NODE, beside, at)
    else return undefined
  }
  return at
}

const behind = (first: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> =>
  joined([Uint8Array.of(first), ...parts])

/** Some bytes after each other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
