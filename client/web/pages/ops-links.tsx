import { useSignal } from '@preact/signals'
import type { KeyList, KeyView, NewKey } from '#protocol/keys.ts'
import { HOSTS_PER_KEY_MAX, NAME_CHARS_MAX } from '#protocol/limits.ts'
import { call, token } from '../bearer.tsx'
import { useResource } from '../data.ts'
import { ago, whole } from '../format.ts'
import { EnrolLink } from '../ui/enrol-link.tsx'
import { Failed, filledIn, useSending } from '../ui/form.tsx'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { numbers } from './ops-table.tsx'

const isLink = ({ scopes }: KeyView): boolean => scopes.every(scope => scope === 'enrol')

function stateOf({ revokedAt, expiresAt, hostsLeft }: KeyView): string {
  if (revokedAt !== null) return `ended ${ago(revokedAt, Date.now())}`
  if (expiresAt !== null && Date.parse(expiresAt) < Date.now())
    return `over since ${ago(expiresAt, Date.now())}`
  if (hostsLeft === 0) return 'used up'
  return expiresAt === null ? 'without an end' : `until ${expiresAt.slice(0, 10)}`
}

const isOpen = ({ revokedAt, expiresAt, hostsLeft }: KeyView): boolean =>
  revokedAt === null && (expiresAt === null || Date.parse(expiresAt) > Date.now()) && hostsLeft !== 0

/** Addresses by which machines enrol for the operator's account: made here, shown once, ended here. */
export function LinksTab() {
  const list = useResource(`${token.value} links`, () => call<KeyList>('GET', '/keys'))
  const end = useSending(async filled => {
    await call<KeyView>('POST', `/keys/${filled.get('id')}/revoke`)
    list.refresh()
  })
  return (
    <>
      <Make onMade={list.refresh} />
      <Failed why={end.failure.value} />
      <Shown from={list} what="the links">
        {({ keys }) => {
          const links = keys.filter(isLink)
          return links.length === 0 ? (
            <Empty>
              There is no link yet. Hosts enrol without one, too; a link gives them to an account.
            </Empty>
          ) : (
            <Table
              label="Enrolment links"
              columns={['for', 'state', 'act', ...numbers('machines left'), 'made']}
              rows={links.map(link => ({
                key: link.keyId,
                cells: [
                  link.label,
                  stateOf(link),
                  isOpen(link) && (
                    <form key="e" onSubmit={end.onSubmit}>
                      <input type="hidden" name="id" value={link.keyId} />
                      <button
                        type="submit"
                        class="quiet"
                        aria-label={`End ${link.label}`}
                        disabled={end.busy.value}
                      >
                        End
                      </button>
                    </form>
                  ),
                  link.hostsLeft === null ? 'any number' : whole(link.hostsLeft),
                  ago(link.createdAt, Date.now()),
                ],
              }))}
            />
          )
        }}
      </Shown>
    </>
  )
}

function Make({ onMade }: { onMade: () => void }) {
  const made = useSignal<NewKey | undefined>(undefined)
  const { busy, failure, onSubmit } = useSending(async filled => {
    const [hosts, until] = [filledIn(filled, 'hosts'), filledIn(filled, 'until')]
    made.value = await call<NewKey>('POST', '/keys', {
      ...{ label: filledIn(filled, 'label'), scopes: ['enrol'] },
      ...(hosts === '' ? {} : { hostsMax: Number(hosts) }),
      ...(until === '' ? {} : { expiresAt: new Date(until).toISOString() }),
    })
    onMade()
  })
  return (
    <>
      <p>
        Whoever has a link can enrol machines for your account. End it when it was seen by somebody it was not
        for: machines that are in stay in.
      </p>
      {made.value?.link && (
        <div class="notice" role="status">
          <p>The link for {made.value.label}, shown this once.</p>
          <EnrolLink link={made.value.link} />
        </div>
      )}
      <form class="ask" onSubmit={onSubmit}>
        <label>
          <span>For whom or what</span>
          <input name="label" required maxLength={NAME_CHARS_MAX} />
        </label>
        <label>
          <span>Machines, at most</span>
          <input name="hosts" type="number" min="1" max={HOSTS_PER_KEY_MAX} step="1" defaultValue="30" />
        </label>
        <label>
          <span>Until</span>
          <input name="until" type="date" />
        </label>
        <button type="submit" class="primary" disabled={busy.value}>
          Make a link
        </button>
      </form>
      <Failed why={failure.value} />
    </>
  )
}
