import { useSignal } from '@preact/signals'
import { credits } from '../format.ts'
import { loginPath, proof, user } from '../session.ts'
import { Failed, useSending } from '../ui/form.tsx'

/** "Save this to an account": what was earned without one moves to it, with its history. */
export function SaveToAccount() {
  const saved = useSignal<string | undefined>(undefined)
  const who = user.value
  const { busy, failure, onSubmit } = useSending(async () => {
    const { claimForAccount } = await import('../volunteer/claim.ts')
    const { movedMilli } = await claimForAccount(proof())
    saved.value = `Saved: ${credits(movedMilli)} credits moved to the account, and what comes goes there.`
  })
  if (saved.value !== undefined)
    return (
      <p role="status" data-claimed>
        {saved.value}
      </p>
    )
  return (
    <details open={who != null}>
      <summary>Save this to an account</summary>
      <p>This browser stays the host that it is; its credit and its history join the account.</p>
      {who == null ? (
        <p>
          <a href={loginPath()}>Log in</a> or{' '}
          <a href={loginPath().replace('/login', '/signup')}>make an account</a>, then come back here: what
          was earned waits, and what is computed goes on.
        </p>
      ) : (
        <form onSubmit={onSubmit}>
          <Failed why={failure.value} />
          <button type="submit" disabled={busy.value}>
            Save to {who.name}
          </button>
        </form>
      )}
    </details>
  )
}
