import type { SessionList } from '#protocol/accounts.ts'
import type { MeView } from '#protocol/campaign.ts'
import type { LedgerEntry } from '#protocol/credits.ts'
import type { ChangedHost } from '#protocol/people.ts'
import { get, type Resource, useResource } from '../data.ts'
import { ago, credits } from '../format.ts'
import { go } from '../router.ts'
import { loginPath, may, post, refreshSession, user } from '../session.ts'
import { useTitle } from '../title.ts'
import { Command, CommandPlace, commandHere } from '../ui/command.tsx'
import { Failed, Field, filledIn, useSending } from '../ui/form.tsx'
import { Empty, Figures, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { Keys } from './me-keys.tsx'
import { Webhooks } from './me-webhooks.tsx'

/** The account that is logged in: what it has, what it earned and why, its machines, keys and browsers. */
export function MePage() {
  useTitle('Your account')
  const who = user.value
  if (who === undefined) return <p class="dim">Loading …</p>
  if (who === null)
    return (
      <>
        <h1>Your account</h1>
        <p class="notice">
          Nobody is logged in here. <a href={loginPath()}>Log in</a>, or <a href="/signup">make an account</a>
          .
        </p>
      </>
    )
  return <Known name={who.name} roles={who.roles} />
}

function Known({ name, roles }: { name: string; roles: readonly string[] }) {
  const me = useResource(`me ${name}`, () => get<MeView>('/me'), 5_000)
  return (
    <>
      <h1>{name}</h1>
      <p class="meta">{roles.join(', ')}</p>
      <Shown from={me} what="your account">
        {view => (
          <>
            <Figures
              of={[
                [
                  'credit',
                  <span key="c" data-figure="credit">
                    {credits(view.balanceMilli)}
                  </span>,
                ],
                ['set aside for campaigns', credits(view.reservedMilli)],
                ['held until the next check', credits(view.heldMilli)],
                ['waiting for other hosts', credits(view.pendingMilli)],
                ...(view.owedMilli === 0 ? [] : [['owed', credits(view.owedMilli)] as const]),
              ]}
            />
            {view.notices.map(notice => (
              <p class="notice" key={notice}>
                {notice}
              </p>
            ))}
            <h2>Why it is what it is</h2>
            <Entries of={view} />
            <h2>Machines</h2>
            <Hosts of={view} from={me} />
          </>
        )}
      </Shown>
      <h2>API keys</h2>
      <Keys />
      {may('campaign') && (
        <>
          <h2>Webhooks</h2>
          <Webhooks />
        </>
      )}
      <h2>Browsers</h2>
      <Sessions />
      <h2>Your data</h2>
      <p>
        <a href="/api/v1/me/export" download="xeenet-account.json">
          Everything that is kept of this account
        </a>{' '}
        in one JSON document, its whole ledger included.
      </p>
      <Deletion />
    </>
  )
}

/** The last transfers with the balance after each, which is counted back from the one of now. */
function Entries({ of: { userId, balanceMilli, entries } }: { of: MeView }) {
  if (entries.length === 0) return <Empty>Nothing was earned or spent so far.</Empty>
  const account = `user:${userId}`
  let after = balanceMilli
  const rows = entries.map(entry => {
    const change = (entry.credit === account ? 1 : 0) - (entry.debit === account ? 1 : 0)
    const row = { entry, milli: change * entry.amountMilli, after }
    after -= row.milli
    return row
  })
  return (
    <Table
      label="The last transfers"
      columns={['when', 'what', ...['credits', 'balance'].map(name => ({ name, isNumber: true })), 'because']}
      rows={rows.map(({ entry, milli, after }) => ({
        key: entry.key,
        cells: [
          <span key="w" class="nowrap">
            {ago(entry.at, Date.now())}
          </span>,
          entry.kind,
          milli === 0 ? `(${credits(entry.amountMilli)} held)` : credits(milli),
          credits(after),
          <Because key="b" of={entry} />,
        ],
      }))}
    />
  )
}

// About what one check of a host makes final.
const RECEIPTS_SHOWN = 16

function Because({ of: { reason, resultId, grants, campaignId, block } }: { of: LedgerEntry }) {
  const results = grants?.map(grant => grant.split(':')[0]) ?? (resultId === null ? [] : [resultId])
  return (
    <>
      {reason !== null && `${reason} `}
      {results.slice(0, RECEIPTS_SHOWN).map((id, i) => [
        <a key={id} href={`/api/v1/results/${id}/receipt`}>
          {i === 0 ? 'receipt' : i + 1}
        </a>,
        ' ',
      ])}
      {results.length > RECEIPTS_SHOWN && `… ${results.length} `}
      {campaignId !== null && <a href={`/c/${campaignId}`}>campaign</a>}{' '}
      {block === null ? (
        <span class="dim">not sealed yet</span>
      ) : (
        <a href={`/api/v1/ledger/blocks/${block}`}>block {block}</a>
      )}
    </>
  )
}

function Hosts({ of: { hosts }, from }: { of: MeView; from: Resource<MeView> }) {
  if (hosts.length === 0)
    return (
      <Empty>
        None yet. On the machine, <CommandPlace />: <Command line={commandHere('up --login')} />
      </Empty>
    )
  return (
    <ul class="items">
      {hosts.map(host => (
        <li key={host.id} data-host={host.id}>
          <p class="row">
            <State of={host.state} />
            <a href={`/h/${host.id}`}>{host.name}</a>
            <span class="meta">
              {host.lastSeenAt === null ? 'never seen' : `seen ${ago(host.lastSeenAt, Date.now())}`}
            </span>
          </p>
          {host.state !== 'retired' && <ChangeHost id={host.id} name={host.name} onChanged={from.refresh} />}
        </li>
      ))}
    </ul>
  )
}

function ChangeHost({ id, name, onChanged }: { id: string; name: string; onChanged: () => void }) {
  const { busy, failure, onSubmit } = useSending(async filled => {
    if (filled.get('act') === 'retire') await post<ChangedHost>(`/hosts/${id}/retire`)
    else await post<ChangedHost>(`/hosts/${id}/name`, { name: filledIn(filled, 'name') }, { method: 'PUT' })
    onChanged()
  })
  return (
    <details>
      <summary>Rename or retire</summary>
      <form class="row" onSubmit={onSubmit}>
        <label class="visually-hidden" for={`name-${id}`}>
          New name of {name}
        </label>
        <input id={`name-${id}`} name="name" defaultValue={name} required maxLength={60} />
        <button type="submit" disabled={busy.value}>
          Rename
        </button>
      </form>
      <form onSubmit={onSubmit}>
        <input type="hidden" name="act" value="retire" />
        <p class="meta">Retired it gets no work any more, for good; what it earned stays.</p>
        <button type="submit" disabled={busy.value}>
          Retire {name}
        </button>
      </form>
      <Failed why={failure.value} />
    </details>
  )
}

function Sessions() {
  const list = useResource('sessions', () => get<SessionList>('/sessions'))
  const { busy, failure, onSubmit } = useSending(async filled => {
    const id = filled.get('id')
    await post('/sessions/revoke', id === null ? {} : { ids: [id] })
    await refreshSession()
    list.refresh()
  })
  return (
    <Shown from={list} what="the browsers">
      {({ sessions }) => (
        <>
          <ul class="items">
            {sessions.map(({ id, device, seenAt, current }) => (
              <li key={id}>
                <form class="row" onSubmit={onSubmit}>
                  <input type="hidden" name="id" value={id} />
                  {device}, used {ago(seenAt, Date.now())} {current && <span class="tag">this one</span>}
                  <span class="grow" />
                  <button type="submit" disabled={busy.value}>
                    Log out {current ? 'here' : device}
                  </button>
                </form>
              </li>
            ))}
          </ul>
          <form onSubmit={onSubmit}>
            <button type="submit" disabled={busy.value}>
              Log out everywhere
            </button>
          </form>
          <Failed why={failure.value} />
        </>
      )}
    </Shown>
  )
}

function Deletion() {
  const { busy, failure, onSubmit } = useSending(async filled => {
    await post('/me', { password: String(filled.get('password') ?? '') }, { method: 'DELETE' })
    await refreshSession()
    go('/')
  })
  return (
    <details>
      <summary>Delete this account</summary>
      <p>
        Name, e-mail, password, keys, webhooks and browsers are forgotten, and its machines retire. What stays
        says nothing of you: the rows of the ledger and the results, under a random id that leads nowhere.
        Credit is lost. It cannot be taken back.
      </p>
      <form class="form" onSubmit={onSubmit}>
        <Field id="delete-password" label="Your password">
          <input
            id="delete-password"
            name="password"
            type="password"
            autocomplete="current-password"
            required
            maxLength={256}
          />
        </Field>
        <Failed why={failure.value} />
        <button type="submit" disabled={busy.value}>
          Delete this account for good
        </button>
      </form>
    </details>
  )
}
