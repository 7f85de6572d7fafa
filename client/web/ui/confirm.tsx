import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { DETAIL_CHARS_MAX } from '#protocol/limits.ts'

interface ConfirmProps {
  /** What is about to be done: the word of its button. */
  readonly label: string
  /** How many things it touches; of several the number has to be typed. */
  readonly touches?: number
  /** What it would do. */
  readonly children: ComponentChildren
  onConfirm(reason: string): Promise<void>
  onClose(): void
}

/** Before something that others notice: what it would do, and then why. */
export function Confirm({ label, touches = 1, children, onConfirm, onClose }: ConfirmProps) {
  const [reason, typed, busy] = [useSignal(''), useSignal(''), useSignal(false)]
  const first = useRef<HTMLInputElement>(null)
  useEffect(() => first.current?.focus(), [])
  const counted = touches <= 1 || typed.value.trim() === String(touches)
  const send = async (): Promise<void> => {
    busy.value = true
    await onConfirm(reason.value)
    busy.value = false
  }
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        void send()
      }}
    >
      {children}
      <label class="field">
        <span>Reason</span>
        <input
          ref={first}
          required
          maxLength={DETAIL_CHARS_MAX}
          value={reason.value}
          onInput={event => (reason.value = event.currentTarget.value)}
        />
      </label>
      {touches > 1 && (
        <label class="field">
          <span>Type {touches} to go on</span>
          <input
            inputMode="numeric"
            value={typed.value}
            onInput={event => (typed.value = event.currentTarget.value)}
          />
        </label>
      )}
      <p class="row">
        <button type="submit" class="primary" disabled={busy.value || !counted || reason.value.trim() === ''}>
          {label}
        </button>
        <button type="button" onClick={onClose}>
          Leave it
        </button>
      </p>
    </form>
  )
}
