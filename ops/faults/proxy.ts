import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A TCP proxy on the loopback that can be a bad network. */
export interface Wire {
  readonly port: number
  /** Resets every connection. */
  cut(): void
  /** Nothing passes for so long; then everything does. */
  stall(ms: number): Promise<void>
  /** What is sent in this time is lost without a word, and new connections with it; then the connections are reset. */
  drop(ms: number): Promise<void>
  close(): Promise<void>
}

interface Pair {
  readonly ends: readonly [Socket, Socket]
  readonly join: () => void
  readonly part: () => void
}

type State = 'open' | 'stalled' | 'dropping'

/** Opens a proxy to wherever `target` says at the moment of each connection. */
export async function openProxy(target: () => NetConnectOpts): Promise<Wire> {
  const pairs = new Set<Pair>()
  let state: State = 'open'
  const server = createServer({ noDelay: true }, client => {
    const pair = pairOf(client, connect(target()))
    pairs.add(pair)
    for (const end of pair.ends) {
      end.on('error', () => undefined) // whoever is at the other end is told by the close
      end.on('close', () => {
        pairs.delete(pair)
        for (const each of pair.ends) each.destroySoon()
      })
    }
    if (state === 'open') pair.join()
    if (state === 'dropping') discard(pair)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reset = (): void => {
    for (const {
      ends: [client],
    } of pairs)
      client.resetAndDestroy() // the other end may be no TCP, and follows
  }
  const during = async (next: State, ms: number, each: (pair: Pair) => void): Promise<void> => {
    state = next
    for (const pair of pairs) each(pair)
    await sleep(ms)
    state = 'open'
  }
  return {
    port: portOf(server.address()),
    cut: reset,
    stall: async ms => {
      await during('stalled', ms, pair => pair.part())
      for (const pair of pairs) pair.join()
    },
    drop: async ms => {
      await during('dropping', ms, discard)
      reset()
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const { ends } of pairs) for (const end of ends) end.destroy()
      await closed
    },
  }
}

function pairOf(client: Socket, upstream: Socket): Pair {
  return {
    ends: [client, upstream],
    join: () => void client.pipe(upstream).pipe(client),
    part: () => {
      for (const [from, to] of [[client, upstream] as const, [upstream, client] as const]) {
        from.unpipe(to)
        from.pause()
      }
    },
  }
}

function discard({ ends, part }: Pair): void {
  part()
  for (const end of ends) end.on('data', () => undefined).resume()
}

export const portOf = (address: AddressInfo | string | null): number => {
  if (typeof address !== 'object' || address === null) throw new Error('not a TCP port')
  return address.port
}
