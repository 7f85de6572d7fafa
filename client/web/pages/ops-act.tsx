import { useSignal } from '@preact/signals'
import type { Act, ActView, PreviewView } from '#protocol/acts.ts'
import { call } from '../bearer.tsx'
import { whole } from '../format.ts'
import { Confirm } from '../ui/confirm.tsx'

type Step =
  | { readonly at: 'idle' }
  | { readonly at: 'looking' }
  | { readonly at: 'shown'; readonly preview: PreviewView }
  | { readonly at: 'done'; readonly view: ActView }
  | { readonly at: 'refused'; readonly why: string }

/** Fields of a filter as the address has them. */
export type Filter = Readonly<Record<string, string | number>>

interface ActButtonProps {
  readonly label: string
  /** A filter is parsed by the server, which gives the act back with its preview. */
  readonly act: Act | { readonly kind: Act['kind']; readonly filter: Filter }
  /** Something was done and the reader is through with it: lists are read again. */
  onDone(): void
}

/** An act in three steps: what it would touch, why, and if it touches several how many they are. Then it can be undone. */
export function ActButton({ label, act, onDone }: ActButtonProps) {
  const step = useSignal<Step>({ at: 'idle' })
  const attempt = async (work: () => Promise<Step>): Promise<void> => {
    try {
      step.value = await work()
    } catch (error) {
      step.value = { at: 'refused', why: error instanceof Error ? error.message : String(error) }
    }
  }
  const look = (): Promise<void> => {
    step.value = { at: 'looking' }
    return attempt(async () => ({
      at: 'shown',
      preview: await call<PreviewView>('POST', '/operator/preview', { act }),
    }))
  }
  const perform = (preview: PreviewView, reason: string): Promise<void> =>
    attempt(async () => {
      const { token } = preview
      const view = await call<ActView>('POST', '/operator/acts', { act: preview.act, reason, token })
      return { at: 'done', view }
    })
  const now = step.value
  // Only then are lists read again: a row that changes would take the way back with it.
  const close = (): void => {
    step.value = { at: 'idle' }
    if (now.at === 'done') onDone()
  }
  if (now.at === 'idle' || now.at === 'looking')
    return (
      <button type="button" class="quiet" disabled={now.at === 'looking'} onClick={() => void look()}>
        {label}
      </button>
    )
  return (
    <div class="notice act">
      {now.at === 'shown' && (
        <Confirm
          label={label}
          touches={now.preview.touches}
          onConfirm={reason => perform(now.preview, reason)}
          onClose={close}
        >
          <Look label={label} of={now.preview} />
        </Confirm>
      )}
      {now.at === 'done' && <Done view={now.view} onClose={close} />}
      {now.at === 'refused' && (
        <>
          <p role="alert">{now.why}</p>
          <button type="button" onClick={close}>
            Close
          </button>
        </>
      )}
    </div>
  )
}

const Look = ({ label, of: { touches, sentence, sample, undoable } }: { label: string; of: PreviewView }) => (
  <>
    <p>
      <strong>
        {label}: touches {whole(touches)}.
      </strong>{' '}
      {sentence}. {undoable ? 'It can be undone for ten minutes.' : 'It cannot be undone.'}
    </p>
    <ul class="meta">
      {sample.map(({ id, what }) => (
        <li key={id}>
          {id} · {what}
        </li>
      ))}
    </ul>
  </>
)

/** What was done, and the way back. */
function Done({ view, onClose }: { view: ActView; onClose: () => void }) {
  return (
    <>
      <p role="status">
        Done: {whole(view.touched)} touched. Its row in the <a href="/ops?tab=log">audit log</a>: {view.id}.
      </p>
      <p class="row">
        <Undo view={view} />
        <button type="button" onClick={onClose}>
          Close
        </button>
      </p>
    </>
  )
}

/** Takes an act back while it can be. */
export function Undo({ view }: { view: ActView }) {
  const said = useSignal('')
  const { undoUntil, undoneBy } = view
  if (undoneBy !== null) return <span class="meta">undone</span>
  if (undoUntil === null || Date.parse(undoUntil) < Date.now()) return null
  const undo = async (): Promise<void> => {
    try {
      await call<ActView>('POST', `/operator/acts/${view.id}/undo`, {
        reason: 'taken back by who looked again',
      })
      said.value = 'Undone.'
    } catch (error) {
      said.value = error instanceof Error ? error.message : String(error)
    }
  }
  return said.value === '' ? (
    <button type="button" onClick={() => void undo()}>
      Undo
    </button>
  ) : (
    <span role="status">{said.value}</span>
  )
}
