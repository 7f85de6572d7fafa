import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'

interface FieldProps {
  /** Of the input that stands in it; that of the hint is the same with `-hint`. */
  readonly id: string
  readonly label: string
  /** What a person should know before writing into it. */
  readonly hint?: ComponentChildren
  readonly children: ComponentChildren
}

/** One thing to fill in, with its name above and a hint below. */
export const Field = ({ id, label, hint, children }: FieldProps) => (
  <div class="field">
    <label for={id}>{label}</label>
    {children}
    {hint !== undefined && (
      <span class="meta" id={`${id}-hint`}>
        {hint}
      </span>
    )}
  </div>
)

interface Sending {
  readonly busy: Signal<boolean>
  readonly failure: Signal<string | undefined>
  /** Sends what was filled in, once at a time; why it failed is kept, in words. */
  readonly onSubmit: (event: SubmitEvent) => void
}

/** A form that calls `send` with what was filled in. */
export function useSending(send: (filled: FormData) => Promise<void>): Sending {
  const busy = useSignal(false)
  const failure = useSignal<string | undefined>(undefined)
  const run = async (filled: FormData): Promise<void> => {
    busy.value = true
    failure.value = undefined
    try {
      await send(filled)
    } catch (error) {
      failure.value = error instanceof Error ? error.message : String(error)
    }
    busy.value = false
  }
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (event.currentTarget instanceof HTMLFormElement && !busy.value)
      void run(new FormData(event.currentTarget))
  }
  return { busy, failure, onSubmit }
}

/** Why the last attempt failed; read out when it appears. */
export const Failed = ({ why }: { why: string | undefined }) => (
  <div role="alert">{why !== undefined && <p class="notice bad">{why}</p>}</div>
)

/** What stands in a field, without the spaces around it. */
export const filledIn = (filled: FormData, name: string): string => String(filled.get(name) ?? '').trim()
