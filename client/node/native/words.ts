import type { NativeNews } from './compute.ts'
import type { FoundEngines } from './offers.ts'

interface Line {
  readonly fields: Record<string, unknown>
  readonly words: string
}

/** A line for each engine beside WASM: what it is worth here, or why it is not offered. */
export const nativeLines = ({ offers, missing }: FoundEngines): readonly Line[] => [
  ...offers.map(({ engineClass, provider, flopsPerSecond }) => ({
    fields: { engine: engineClass, provider, flopsPerSecond: Math.round(flopsPerSecond) },
    words: `${engineClass} at ${(flopsPerSecond / 1e9).toFixed(1)} GFLOP/s (${provider})`,
  })),
  ...missing.map(({ engine, reason }) => ({
    fields: { engine, missing: reason },
    words: `no ${engine}: ${reason}`,
  })),
]

export function nativeSentence(news: NativeNews): string {
  if (news.ev === 'native.restart')
    return `task ${news.result}: its process was lost (${news.because}); on from the last checkpoint`
  const mib = Math.ceil(news.estimateBytes / 1024 ** 2)
  return `task ${news.result}: no memory for it, although ${mib} MiB were thought to be enough (${news.because})`
}
