import { Sha256 } from '#protocol/units.ts'
import type { FileCache } from '#runtime/cache.ts'
import { FILES } from './messages.ts'

// Cache Storage wants requests; nothing is ever asked of this address.
const address = (hash: string): string => `/cached/${hash}`

/** Kernels and data in Cache Storage, by hash. The browser evicts when it needs the room. */
export const browserCache: FileCache = {
  get: async hash => {
    const response = await (await caches.open(FILES)).match(address(hash))
    return response === undefined ? undefined : new Uint8Array(await response.arrayBuffer())
  },
  put: async (hash, bytes) => {
    await (await caches.open(FILES)).put(address(hash), new Response(new Uint8Array(bytes)))
  },
  drop: async hash => {
    await (await caches.open(FILES)).delete(address(hash))
  },
  // It keeps no times of use: the last stored are next to the last used.
  hashes: async () => {
    const requests = await (await caches.open(FILES)).keys()
    return requests.flatMap(({ url }) => Sha256.safeParse(url.split('/').at(-1)).data ?? []).toReversed()
  },
}
