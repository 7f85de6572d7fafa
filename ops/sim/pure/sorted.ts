/** Items in the order of a number that each has for itself. */
export interface Sorted<Item> {
  /** In order. Nothing may be added or removed meanwhile. */
  readonly items: Iterable<Item>
  readonly size: number
  add(item: Item): void
  remove(item: Item): void
}

// Inserting and removing move memory: of one short block, not of tens of thousands of items.
const BLOCK_MAX = 256

interface Block<Item> {
  readonly keys: number[]
  readonly items: Item[]
}

export function sortedBy<Item>(keyOf: (item: Item) => number): Sorted<Item> {
  const blocks: Block<Item>[] = [{ keys: [], items: [] }]
  let size = 0
  /** The last block that begins at or before the key. */
  const blockOf = (key: number): number => {
    let [low, high] = [0, blocks.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((blocks[middle]?.keys[0] ?? Infinity) <= key) low = middle
      else high = middle
    }
    return low
  }
  return {
    items: {
      *[Symbol.iterator]() {
        for (const { items } of blocks) yield* items
      },
    },
    get size() {
      return size
    },
    add: item => {
      const key = keyOf(item)
      const at = blockOf(key)
      const block = blocks[at]
      if (block === undefined) throw new Error('there is always a block')
      const place = placeOf(block.keys, key)
      block.items.splice(place, 0, item)
      block.keys.splice(place, 0, key)
      size++
      if (block.keys.length > BLOCK_MAX) blocks.splice(at + 1, 0, halved(block))
    },
    remove: item => {
      const key = keyOf(item)
      const at = blockOf(key)
      const block = blocks[at]
      const place = placeOf(block?.keys ?? [], key)
      if (block === undefined || block.items[place] !== item) throw new Error('what is removed is there')
      block.items.splice(place, 1)
      block.keys.splice(place, 1)
      size--
      if (block.keys.length === 0 && blocks.length > 1) blocks.splice(at, 1)
    },
  }
}

/** Takes the latter half out of a block. */
function halved<Item>({ keys, items }: Block<Item>): Block<Item> {
  const middle = keys.length >> 1
  return { keys: keys.splice(middle), items: items.splice(middle) }
}

/** The first place whose key is not below. */
function placeOf(keys: readonly number[], key: number): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] ?? 0) < key) low = middle + 1
    else high = middle
  }
  return low
}
