import { useSignal } from '@preact/signals'
import type { KeyList, KeyScope, KeyView, NewKey } from '#protocol/keys.ts'
import { get, useResource } from '../data.ts'
import { ago, credits } from '../format.ts'
import { may, post } from '../session.ts'
import { EnrolLink } from '../ui/enrol-link.tsx'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'
import { Empty, Shown } from '../ui/parts.tsx'

/** The keys that the account gave to programs, and a new one. */
export function Keys() {
  const list = useResource('keys', () => get<KeyList>('/keys'))
  const end = useSending(async filled => {
    await post<KeyView>(`/keys/${filled.get('id')}/revoke`)
    list.refresh()
  })
  return (
    <>
      <Shown from={list} what="the keys">
        {({ keys }) => (
          <ul class="items">
            {keys.length === 0 && <Empty>None. A program gets one by logging in, or here.</Empty>}
            {keys.map(key => (
              <li key={key.keyId}>
                <form class="row" onSubmit={end.onSubmit}>
                  <input type="hidden" name="id" value={key.keyId} />
                  <b>{key.label}</b> <span class="meta">{wordsOf(key)}</span>
                  <span class="grow" />
                  {key.revokedAt === null && (
                    <button type="submit" disabled={end.busy.value}>
                      Revoke {key.label}
                    </button>
                  )}
                </form>
              </li>
            ))}
          </ul>
        )}
      </Shown>
      <Failed why={end.failure.value} />
      <Make onMade={list.refresh} />
    </>
  )
}

function wordsOf({ scopes, createdAt, expiresAt, revokedAt, ...bounds }: KeyView): string {
  const { budgetMilli, spentMilli, hostsLeft } = bounds
  const hosts = hostsLeft === null ? '' : `, ${hostsLeft} machines left`
  const budget =
    budgetMilli === null ? '' : `, ${credits(spentMilli)} of ${credits(budgetMilli)} credits spent`
  const end =
    revokedAt !== null
      ? `, revoked ${ago(revokedAt, Date.now())}`
      : expiresAt === null
        ? ''
        : `, until ${expiresAt.slice(0, 10)}`
  return `may ${scopes.join(', ')}${budget}${hosts}; made ${ago(createdAt, Date.now())}${end}`
}

const SCOPES: readonly KeyScope[] = ['read', 'enrol', 'propose', 'campaign', 'kernel']

function Make({ onMade }: { onMade: () => void }) {
  const made = useSignal<NewKey | undefined>(undefined)
  const { busy, failure, onSubmit } = useSending(async filled => {
    const [budget, hosts, until] = [
      filledIn(filled, 'budget'),
      filledIn(filled, 'hosts'),
      filledIn(filled, 'until'),
    ]
    made.value = await post<NewKey>('/keys', {
      ...{ label: filledIn(filled, 'label'), scopes: filled.getAll('scope') },
      ...(budget === '' ? {} : { budgetMilli: Math.round(Number(budget) * 1000) }),
      ...(hosts === '' ? {} : { hostsMax: Number(hosts) }),
      ...(until === '' ? {} : { expiresAt: new Date(until).toISOString() }),
    })
    onMade()
  })
  return (
    <details>
      <summary>Make a key</summary>
      {made.value?.key && (
        <div class="notice" role="status">
          <p>
            This is shown once: <code data-key>{made.value.key}</code>
          </p>
          {made.value.link !== null && <EnrolLink link={made.value.link} />}
        </div>
      )}
      <form class="form" onSubmit={onSubmit}>
        <Field id="key-label" label="What it is for">
          <input id="key-label" name="label" required maxLength={60} />
        </Field>
        <fieldset class="plain">
          <legend>What it may do</legend>
          {SCOPES.filter(may).map(scope => (
            <label key={scope} class="row">
              <input type="checkbox" name="scope" value={scope} defaultChecked={scope === 'read'} /> {scope}
            </label>
          ))}
        </fieldset>
        <Field id="key-budget" label="Credits it may spend, if it has a limit">
          <input id="key-budget" name="budget" type="number" min="0" step="0.001" />
        </Field>
        <Field id="key-hosts" label="Machines that may enrol with it, if only so many">
          <input id="key-hosts" name="hosts" type="number" min="1" max="1000" step="1" />
        </Field>
        <Field id="key-until" label="When it ends, if it does">
          <input id="key-until" name="until" type="date" />
        </Field>
        <Failed why={failure.value} />
        <button type="submit" disabled={busy.value}>
          Make the key
        </button>
      </form>
    </details>
  )
}
