import { useSignal } from '@preact/signals'
import { credits } from '../format.ts'

/** "Save this to an account": what was earned without one moves to it, with its history. */
export function SaveToAccount() {
  const said = useSignal<string | undefined>(undefined)
  const failed = useSignal<string | undefined>(undefined)
  const busy = useSignal(false)
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const token = String(new FormData(event.currentTarget).get('token') ?? '').trim()
    busy.value = true
    failed.value = undefined
    try {
      const { claimFor } = await import('../volunteer/claim.ts')
      const { movedMilli } = await claimFor(token)
      said.value = `Saved: ${credits(movedMilli)} credits moved to the account, and what comes goes there.`
    } catch (error) {
      failed.value = error instanceof Error ? error.message : String(error)
    } finally {
      busy.value = false
    }
  }
  if (said.value !== undefined)
    return (
      <p role="status" data-claimed>
        {said.value}
      </p>
    )
  return (
    <details>
      <summary>Save this to an account</summary>
      <p>
        This browser stays the host that it is; its credit and its history join the account. The account's
        token says which one: <code>xeenet admin user token NAME --scope enrol</code> makes one.
      </p>
      <form class="row" onSubmit={onSubmit}>
        <label for="claim-token">Token</label>
        <input id="claim-token" name="token" type="password" autocomplete="off" required />
        <button type="submit" disabled={busy.value}>
          Save
        </button>
      </form>
      {failed.value !== undefined && (
        <p class="notice bad" role="alert">
          {failed.value}
        </p>
      )}
    </details>
  )
}
