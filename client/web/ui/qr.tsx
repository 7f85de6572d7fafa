import encodeQR from 'qr'

export interface QrProps {
  readonly text: string
  /** Of a picture of words: where the words are as well. */
  readonly label: string
}

// Codes are read as dark on light, with a margin of this many modules around them.
const MARGIN = 4

/** A text as a code for a camera: dark on light in either theme. */
export function Qr({ text, label }: QrProps) {
  const modules = encodeQR(text, 'raw', { border: MARGIN })
  const dark = modules.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : [])))
  return (
    <svg class="qr" role="img" aria-label={label} viewBox={`0 0 ${modules.length} ${modules.length}`}>
      <rect width="100%" height="100%" fill="#fff" />
      <path d={dark.join('')} fill="#000" />
    </svg>
  )
}
