import { useSignal } from '@preact/signals'
import { commandHere } from '../ui/command.tsx'

/** The same question for other hands: HTTP, the command line, an agent. */
export function CopyAs({ asked }: { asked: string }) {
  const copied = useSignal('')
  const copy = async (name: string, text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text)
      copied.value = `${name} is in the clipboard.`
    } catch {
      copied.value = text // a browser that gives no clipboard: it can be marked by hand
    }
  }
  return (
    <p class="row">
      Copy as
      {Object.entries(formsOf(asked)).map(([name, text]) => (
        <button key={name} type="button" class="quiet" onClick={() => void copy(name, text)}>
          {name}
        </button>
      ))}
      <span class="meta mono" role="status">
        {copied.value}
      </span>
    </p>
  )
}

function formsOf(asked: string): Readonly<Record<string, string>> {
  const given = Object.fromEntries(new URLSearchParams(asked))
  const options = Object.entries(given).map(([name, value]) => `--${name} ${quoted(value)}`)
  return {
    curl: `curl ${quoted(`${location.origin}/api/v1/corpus/explore?${asked}`)}`,
    xeenet: commandHere(`corpus explore ${options.join(' ')}`),
    'MCP call': JSON.stringify({ name: 'xee_results', arguments: given }),
  }
}

/** One word of a shell, whatever is in it. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
