import { useSignal } from '@preact/signals'
import type { WebhookList, WebhookMade, WebhookView } from '#protocol/webhooks.ts'
import { get, useResource } from '../data.ts'
import { post } from '../session.ts'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'
import { Empty, Shown, State } from '../ui/parts.tsx'

/** Where events of the account's campaigns are sent, whether they arrive, and a new address. */
export function Webhooks() {
  const list = useResource('webhooks', () => get<WebhookList>('/webhooks'))
  const made = useSignal<WebhookMade | undefined>(undefined)
  const add = useSending(async filled => {
    made.value = await post<WebhookMade>('/webhooks', { url: filledIn(filled, 'url') })
    list.refresh()
  })
  return (
    <>
      <Shown from={list} what="the webhooks">
        {({ webhooks }) =>
          webhooks.length === 0 ? (
            <Empty>None. Events of your campaigns can be sent to an address of yours, signed.</Empty>
          ) : (
            <ul class="items">
              {webhooks.map(webhook => (
                <li key={webhook.id}>
                  <Webhook of={webhook} onChanged={list.refresh} />
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      {made.value?.secret && (
        <p class="notice" role="status">
          Messages are signed with this secret, which is shown once: <code>{made.value.secret}</code>
        </p>
      )}
      <details>
        <summary>Add a webhook</summary>
        <form class="form" onSubmit={add.onSubmit}>
          <Field id="webhook-url" label="An https address">
            <input id="webhook-url" name="url" type="url" required pattern="https://.+" />
          </Field>
          <Failed why={add.failure.value} />
          <button type="submit" disabled={add.busy.value}>
            Add it
          </button>
        </form>
      </details>
    </>
  )
}

function Webhook({ of: webhook, onChanged }: { of: WebhookView; onChanged: () => void }) {
  const { id, url, state, failures, disabledReason, campaignId } = webhook
  const { busy, failure, onSubmit } = useSending(async filled => {
    if (filled.get('act') === 'test') await post(`/webhooks/${id}/test`)
    else await post(`/webhooks/${id}`, undefined, { method: 'DELETE' })
    onChanged()
  })
  return (
    <>
      <p class="row">
        <State of={state === 'active' ? 'active' : 'failed'} /> <span class="mono">{url}</span>
        <span class="meta">
          {campaignId === null ? 'all campaigns' : <a href={`/c/${campaignId}`}>one campaign</a>}
          {failures > 0 && `, ${failures} failed attempts in a row`}
          {disabledReason !== null && `, given up on: ${disabledReason}`}
        </span>
      </p>
      <div class="row">
        {(['test', 'remove'] as const).map(act => (
          <form key={act} onSubmit={onSubmit}>
            <input type="hidden" name="act" value={act} />
            <button type="submit" class="quiet" disabled={busy.value}>
              {act === 'test' ? 'Send a test' : 'Remove'}
              <span class="visually-hidden"> to {url}</span>
            </button>
          </form>
        ))}
      </div>
      <Failed why={failure.value} />
    </>
  )
}
