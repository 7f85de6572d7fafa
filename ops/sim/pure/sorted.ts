/** Items in the order of a number that each has for itself. Small enough (some ten thousand) that moving memory is cheap. */
export interface Sorted<Item> {
  readonly items: readonly Item[]
  add(item: Item): void
  remove(item: Item): void
}

export function sortedBy<Item>(keyOf: (item: Item) => number): Sorted<Item> {
  const items: Item[] = []
  const keys: number[] = []
  const placeOf = (key: number): number => {
    let [low, high] = [0, keys.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((keys[middle] ?? 0) < key) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    items,
    add: item => {
      const key = keyOf(item)
      const place = keys.length > 0 && key > (keys.at(-1) ?? 0) ? keys.length : placeOf(key)
      items.splice(place, 0, item)
      keys.splice(place, 0, key)
    },
    remove: item => {
      const place = placeOf(keyOf(item))
      if (items[place] !== item) throw new Error('what is removed is there')
      items.splice(place, 1)
      keys.splice(place, 1)
    },
  }
}
