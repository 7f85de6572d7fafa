import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { whole } from '../format.ts'
import type { Link } from '../volunteer/link.ts'
import { deleteLocalData, type LocalData as Kept, localData } from '../volunteer/local-data.ts'

/** What this browser keeps, and how to make it forget. */
export function LocalData({ link }: { link: Link }) {
  const kept = useSignal<Kept | undefined>(undefined)
  const said = useSignal('')
  const sure = useSignal(false)
  const on = link.volunteering.value !== undefined && link.volunteering.value.phase !== 'ended'
  const look = (): void => {
    localData().then(
      data => {
        kept.value = data
      },
      () => undefined, // a browser that keeps nothing has nothing to delete
    )
  }
  const done = link.volunteering.value?.computed.length ?? 0
  useEffect(look, [on, done])
  const forget = async (): Promise<void> => {
    said.value = (await deleteLocalData())
      ? 'Everything was deleted.'
      : 'It runs in another tab: stop it first.'
    sure.value = false
    link.volunteering.value = undefined
    look()
  }
  if (kept.value === undefined) return null
  const { bytes, runs, unsent } = kept.value
  return (
    <section>
      <h2>Kept in this browser</h2>
      <p>
        {megabytes(bytes)}: kernels and data by hash, the key of this host, checkpoints.
        {runs > 0 &&
          ` ${whole(runs)} ${runs === 1 ? 'run was' : 'runs were'} begun; Start goes on with ${runs === 1 ? 'it' : 'them'}.`}
        {unsent > 0 &&
          ` ${whole(unsent)} finished and not sent yet; Start sends ${unsent === 1 ? 'it' : 'them'}.`}
      </p>
      {sure.value ? (
        <p class="row" role="alert">
          The key goes too: what this host earned without an account is lost to you.
          <button type="button" onClick={forget}>
            Delete it all
          </button>
          <button type="button" class="quiet" onClick={() => (sure.value = false)}>
            Keep it
          </button>
        </p>
      ) : (
        <p class="row">
          <button type="button" disabled={on} onClick={() => (sure.value = true)}>
            Delete local data ({megabytes(bytes)})
          </button>
          <span class="dim" role="status">
            {on ? 'Stop it first.' : said.value}
          </span>
        </p>
      )}
    </section>
  )
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)} MB`
