/** What happens at a moment. Two that happen at the same moment happen in the order in which they were planned. */
interface Planned<Event> {
  readonly at: number
  readonly order: number
  readonly event: Event
}

/** A priority queue by time: a binary heap. */
export interface EventQueue<Event> {
  plan(at: number, event: Event): void
  next(): { readonly at: number; readonly event: Event } | undefined
  /** The next one, which stays. */
  peek(): { readonly at: number; readonly event: Event } | undefined
}

export function eventQueue<Event>(): EventQueue<Event> {
  const heap: Planned<Event>[] = []
  let order = 0
  return {
    plan: (at, event) => {
      heap.push({ at, order: order++, event })
      rise(heap, heap.length - 1)
    },
    peek: () => heap[0],
    next: () => {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || last === undefined || heap.length === 0) return first
      heap[0] = last
      sink(heap)
      return first
    },
  }
}

type Heap = Planned<unknown>[]

const before = (a: Planned<unknown> | undefined, b: Planned<unknown> | undefined): boolean =>
  a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order))

function swap(heap: Heap, i: number, j: number): void {
  const [a, b] = [heap[i], heap[j]]
  if (a === undefined || b === undefined) return
  heap[i] = b
  heap[j] = a
}

function rise(heap: Heap, from: number): void {
  for (let i = from; i > 0; ) {
    const parent = (i - 1) >> 1
    if (!before(heap[i], heap[parent])) return
    swap(heap, i, parent)
    i = parent
  }
}

function sink(heap: Heap): void {
  for (let i = 0; ; ) {
    const left = 2 * i + 1
    const child = before(heap[left + 1], heap[left]) ? left + 1 : left
    if (!before(heap[child], heap[i])) return
    swap(heap, i, child)
    i = child
  }
}
