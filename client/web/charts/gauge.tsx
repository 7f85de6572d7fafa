interface GaugeProps {
  readonly value: number
  readonly lower: number
  readonly upper: number
  /** What is decided at the lower and at the upper bound. */
  readonly ends?: readonly [string, string]
}

/** A log likelihood ratio between the bounds at which its test decides. */
export function Gauge({ value, lower, upper, ends: [no, yes] = ['no gain', 'gain'] }: GaugeProps) {
  const at = Math.min(1, Math.max(0, (value - lower) / (upper - lower)))
  const words = `evidence ${value.toFixed(2)}, decided below ${lower.toFixed(2)} or above ${upper.toFixed(2)}`
  return (
    <div class="row meta">
      <span>
        {no} {lower.toFixed(2)}
      </span>
      <svg class="gauge" width="200" height="12" viewBox="0 0 200 12" role="img" aria-label={words}>
        <rect x="0" y="5" width="200" height="2" fill="var(--line)" />
        <rect x="0" y="1" width="2" height="10" fill="var(--edge)" />
        <rect x="198" y="1" width="2" height="10" fill="var(--edge)" />
        <circle cx={4 + at * 192} cy="6" r="4" fill="var(--accent)" />
      </svg>
      <span>
        {yes} {upper.toFixed(2)}
      </span>
      <span>LLR {value.toFixed(2)}</span>
    </div>
  )
}
