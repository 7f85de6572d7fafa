import { useSignal } from '@preact/signals'

// `--no`: npx is to run what the project installed, and never to fetch a package that a stranger gave this name.
const PROGRAM = 'npx --no xeenet'

/** A line for a terminal, as it is typed in a clone of the project. The one place that spells how the program is called. */
export const command = (line: string): string => `${PROGRAM} ${line}`

/** The same of this server. */
export const commandHere = (line: string): string => `${command(line)} --server ${location.origin}`

/** A line for a terminal, and a button that copies it. */
export function Command({ line }: { line: string }) {
  const copied = useSignal(false)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(line)
    copied.value = true
  }
  return (
    <span class="command">
      <code>{line}</code>
      {/* A page that is not served over https has no clipboard. */}
      {'clipboard' in navigator && (
        <button type="button" class="quiet" onClick={() => void copy()}>
          {copied.value ? 'Copied' : 'Copy'}
        </button>
      )}
    </span>
  )
}

/** Where such a line is typed. */
export const CommandPlace = () => (
  <>
    after <code>npm ci</code> in a clone of the project, or beginning with <code>./xeenet</code> in an archive
    of the client
  </>
)
