import { setTimeout as sleep } from 'node:timers/promises'

/** Collects items that arrive at about the same time and commits them together. */
export interface GroupCommit<Item, Outcome> {
  submit(item: Item): Promise<Outcome>
}

export interface GroupCommitOptions<Item, Outcome> {
  /** One transaction for all items; the outcomes in their order. Throws when nothing was committed. */
  readonly commit: (items: readonly Item[]) => Promise<readonly Outcome[]>
  /** Items of one key depend on each other, so they go into different groups, in order. */
  readonly keyOf: (item: Item) => string
  readonly sizeMax: number
  /** Whether a group of so many items that wait may be committed beside so many (one or more) that are being committed. */
  readonly mayJoin: (others: number, waiting: number) => boolean
  /** How long the first item of a group waits for company, milliseconds. */
  readonly gatherMs: number
}

interface Waiting<Item, Outcome> {
  readonly item: Item
  readonly key: string
  readonly outcome: PromiseWithResolvers<Outcome>
}

/**
 * One commit, and so one flush of the disk, pays for many items: while a group is being committed the next one gathers.
 * When a group fails each of its items is tried alone once, so that a poisonous item stops only itself.
 */
export function groupCommit<Item, Outcome>(
  options: GroupCommitOptions<Item, Outcome>,
): GroupCommit<Item, Outcome> {
  let queue: Waiting<Item, Outcome>[] = []
  let running = 0
  const committing = new Set<string>() // keys

  const run = async (): Promise<void> => {
    running++
    await sleep(options.gatherMs)
    do {
      const group = takeGroup()
      if (group.length === 0) break
      await commitGroup(options, group)
      for (const { key } of group) committing.delete(key)
    } while (mayRun(running - 1))
    running--
  }
  const mayRun = (others: number): boolean => others === 0 || options.mayJoin(others, queue.length)
  const takeGroup = (): Waiting<Item, Outcome>[] => {
    const group: Waiting<Item, Outcome>[] = []
    const rest: Waiting<Item, Outcome>[] = []
    const seen = new Set<string>()
    for (const waiting of queue) {
      const isFree = group.length < options.sizeMax && !committing.has(waiting.key) && !seen.has(waiting.key)
      seen.add(waiting.key)
      if (isFree) group.push(waiting)
      else rest.push(waiting)
    }
    for (const { key } of group) committing.add(key)
    queue = rest
    return group
  }
  return {
    submit: item => {
      const waiting = { item, key: options.keyOf(item), outcome: Promise.withResolvers<Outcome>() }
      queue.push(waiting)
      if (mayRun(running)) void run()
      return waiting.outcome.promise
    },
  }
}

async function commitGroup<Item, Outcome>(
  options: GroupCommitOptions<Item, Outcome>,
  group: readonly Waiting<Item, Outcome>[],
): Promise<void> {
  try {
    await settle(options, group)
  } catch {
    // Whatever it was (a deadlock, one bad item, a lost connection): alone it is met again, and its caller hears of it.
    for (const waiting of group) await settle(options, [waiting]).catch(waiting.outcome.reject)
  }
}

async function settle<Item, Outcome>(
  { commit }: GroupCommitOptions<Item, Outcome>,
  group: readonly Waiting<Item, Outcome>[],
): Promise<void> {
  const outcomes = await commit(group.map(waiting => waiting.item))
  if (outcomes.length !== group.length) throw new Error('a commit answers every item')
  group.forEach((waiting, i) => {
    const outcome = outcomes[i]
    if (outcome !== undefined) waiting.outcome.resolve(outcome)
  })
}
