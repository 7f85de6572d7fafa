/** Which owners were heard lately, counted without looking at all of them. */
export interface Presence {
  heard(ownerKey: string, proven: boolean, now: number): void
  owners(now: number): number
  provenOwners(now: number): number
}

export function newPresence(windowMs: number): Presence {
  const all = window(windowMs)
  const proven = window(windowMs)
  return {
    heard: (ownerKey, isProven, now) => {
      all.add(ownerKey, now)
      if (isProven) proven.add(ownerKey, now)
    },
    owners: now => all.count(now),
    provenOwners: now => proven.count(now),
  }
}

function window(ms: number): { add(key: string, now: number): void; count(now: number): number } {
  // A map keeps its keys in the order in which they were put: the longest unheard is first.
  const last = new Map<string, number>()
  return {
    add: (key, now) => {
      last.delete(key)
      last.set(key, now)
    },
    count: now => {
      for (const [key, at] of last) {
        if (at > now - ms) break
        last.delete(key)
      }
      return last.size
    },
  }
}
