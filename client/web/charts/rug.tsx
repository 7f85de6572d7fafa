interface Tick {
  /** 0 to 1: where. */
  readonly at: number
  /** A colour token. */
  readonly token: string
  /** 0 to 1. */
  readonly height: number
}

/** Every result is one tick. At most one is drawn on three pixels: the tallest. */
export function Rug({
  ticks,
  label,
  width = 720,
}: {
  ticks: readonly Tick[]
  label: string
  width?: number
}) {
  const bins = new Map<number, Tick>()
  for (const tick of ticks) {
    const bin = Math.min(Math.floor(width / 3) - 1, Math.floor((tick.at * width) / 3))
    const known = bins.get(bin)
    if (known === undefined || known.height < tick.height) bins.set(bin, tick)
  }
  return (
    <svg class="rug" viewBox={`0 0 ${width} 24`} preserveAspectRatio="none" role="img" aria-label={label}>
      {[...bins].map(([bin, tick]) => (
        <rect
          key={bin}
          x={bin * 3}
          y={24 - 24 * tick.height}
          width="2"
          height={24 * tick.height}
          fill={`var(--${tick.token})`}
        />
      ))}
    </svg>
  )
}
