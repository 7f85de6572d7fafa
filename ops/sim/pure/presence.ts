/** Which hosts were heard lately, counted without looking at all of them. */
export interface Presence<Host> {
  heard(host: Host, now: number): void
  /** It is out, and counts no longer. */
  gone(host: Host): void
  /** Heard within the window. */
  recent(now: number): Iterable<Host>
  count(now: number): number
}

export function newPresence<Host>(windowMs: number): Presence<Host> {
  // A map keeps its keys in the order in which they were put: the longest unheard is first.
  const last = new Map<Host, number>()
  const expire = (now: number): void => {
    for (const [host, at] of last) {
      if (at > now - windowMs) break
      last.delete(host)
    }
  }
  return {
    heard: (host, now) => {
      last.delete(host)
      last.set(host, now)
    },
    gone: host => {
      last.delete(host)
    },
    recent: now => {
      expire(now)
      return last.keys()
    },
    count: now => {
      expire(now)
      return last.size
    },
  }
}
