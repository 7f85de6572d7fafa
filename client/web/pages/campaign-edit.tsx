import { useSignal } from '@preact/signals'
import type { CampaignView } from '#protocol/campaign.ts'
import type { DryRun } from '#protocol/dry-run.ts'
import type { RevisionView } from '#protocol/revisions.ts'
import { call, TokenField } from '../bearer.tsx'
import { get, useResource } from '../data.ts'
import { credits } from '../format.ts'
import { go } from '../router.ts'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'
import { Empty, Shown } from '../ui/parts.tsx'
import { isOpen, isOwn } from './campaign-acts.tsx'

/** The file of a campaign, to go on with another: a new revision, with its reason. */
export function Edit({ campaign }: { campaign: CampaignView }) {
  if (!isOpen(campaign)) return <Empty>It has ended: its file does not change any more.</Empty>
  if (!isOwn(campaign))
    return (
      <>
        <p>Only its owner changes it.</p>
        <TokenField scope="campaign" />
      </>
    )
  return <Form id={campaign.id} newest={campaign.revision} />
}

/** What is edited is the file of one revision, whatever happens meanwhile: the server refuses it when that is no longer the newest. */
function Form({ id, newest }: { id: string; newest: number }) {
  const latest = useResource(`edit ${id}`, () => get<RevisionView>(`/campaigns/${id}/revisions/latest`))
  return (
    <Shown from={latest} what="the file">
      {({ file, revision }) => (
        <>
          {newest > revision && (
            <p class="notice" role="status">
              Revision {newest} was made since you began with {revision}. Load the page again to go on from
              there.
            </p>
          )}
          <Draft id={id} revision={revision} original={JSON.stringify(file, null, 2)} />
        </>
      )}
    </Shown>
  )
}

interface DraftProps {
  readonly id: string
  readonly revision: number
  readonly original: string
}

function Draft({ id, revision, original }: DraftProps) {
  const text = useSignal(original)
  const costs = useSignal<DryRun | undefined>(undefined)
  const put = <T,>(query: string, reason: string): Promise<T> =>
    call<T>('PUT', `/campaigns/${id}${query}`, bodyOf(text.value, { revision, reason }))
  const saving = useSending(async filled => {
    const reason = filledIn(filled, 'reason')
    if (costs.value === undefined) costs.value = await put<DryRun>('?dry_run=true', reason)
    else {
      await put<CampaignView>('', reason)
      go(`/c/${id}?tab=revisions`)
    }
  })
  const label = costs.value === undefined ? 'Check' : `Save as revision ${revision + 1}`
  return (
    <form onSubmit={saving.onSubmit}>
      <Field
        id="file"
        label={`The file of revision ${revision}`}
        hint="Title, question, space, constraints and a larger budget may change; what was computed stays, and so does every earlier revision."
      >
        <textarea
          id="file"
          aria-describedby="file-hint"
          rows={24}
          spellcheck={false}
          value={text.value}
          onInput={event => {
            text.value = event.currentTarget.value
            costs.value = undefined
          }}
        />
      </Field>
      <Field id="reason" label="Reason" hint="Everybody sees it beside the revision.">
        <input id="reason" name="reason" required maxLength={500} aria-describedby="reason-hint" />
      </Field>
      <Failed why={saving.failure.value} />
      {costs.value !== undefined && (
        <p role="status">
          {costs.value.setAsideMilli === 0
            ? 'It costs nothing more.'
            : `It sets aside ${credits(costs.value.setAsideMilli)} credits more; ${credits(costs.value.balanceMilli)} are left.`}
        </p>
      )}
      <p class="row">
        <button type="submit" class="primary" disabled={saving.busy.value || text.value === original}>
          {label}
        </button>
        <a class="button" href={`/c/${id}`}>
          Leave it
        </a>
      </p>
    </form>
  )
}

function bodyOf(text: string, { revision, reason }: { revision: number; reason: string }): object {
  try {
    return { expected: revision, reason, file: JSON.parse(text) }
  } catch (error) {
    throw new Error(`The file is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}
