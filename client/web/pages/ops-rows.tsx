import type { Act } from '#protocol/acts.ts'
import type { HostRows, ResultRows, SuspectList, UserRows } from '#protocol/operator.ts'
import { ago, credits, whole } from '../format.ts'
import { query, setQuery } from '../router.ts'
import { Empty, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { ActButton, type Filter } from './ops-act.tsx'
import { numbers, Older, useList } from './ops-table.tsx'

const since = (at: string): string => ago(at, Date.now())

const FILTERS = ['campaignId', 'hostId', 'ownerId', 'workUnitId', 'kernel', 'engineClass', 'error'] as const
const STATES = ['unsent', 'in_progress', 'pending', 'over'] as const
const BULK = [
  ['unstick_units', 'Unstick them'],
  ['requeue_units', 'Requeue them'],
  ['revalidate_units', 'Validate them again'],
  ['cancel_units', 'Cancel them'],
] as const

/** The filter that the address says; undefined when it names nothing. The server parses it. */
function filterOf(): Filter | undefined {
  const names = [...FILTERS, 'state', 'olderThanHours']
  const given = names.flatMap(name => {
    const value = query.value.get(name) ?? ''
    if (value === '') return []
    return [[name, name === 'olderThanHours' ? Number(value) : value] as const]
  })
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

/** Results by a filter, and what can be done to the work units behind it. */
export function ResultsTab() {
  const list = useList<ResultRows>('/results', [...FILTERS, 'state', 'olderThanHours', 'after'])
  const filter = filterOf()
  return (
    <>
      <FilterFields />
      {filter === undefined ? (
        <Empty>Name at least one field to act on the work units behind these results.</Empty>
      ) : (
        <div class="row">
          {BULK.map(([kind, label]) => (
            <ActButton
              key={`${kind} ${JSON.stringify(filter)}`}
              label={label}
              act={{ kind, filter }}
              onDone={list.refresh}
            />
          ))}
        </div>
      )}
      <Shown from={list} what="the results">
        {({ results, nextAfter }) => (
          <>
            {results.length === 0 ? <Empty>No result fits.</Empty> : <Results rows={results} />}
            <Older after={nextAfter} />
          </>
        )}
      </Shown>
    </>
  )
}

/** The fields of the filter; they stand in the address. */
function FilterFields() {
  return (
    <search class="ask">
      {FILTERS.map(name => (
        <label key={name}>
          <span>{name}</span>
          <input
            size={12}
            value={query.value.get(name) ?? ''}
            onChange={event => setQuery({ [name]: event.currentTarget.value.trim(), after: undefined })}
          />
        </label>
      ))}
      <label>
        <span>state</span>
        <select
          value={query.value.get('state') ?? ''}
          onChange={event => setQuery({ state: event.currentTarget.value, after: undefined })}
        >
          <option value="">any</option>
          {STATES.map(state => (
            <option key={state}>{state}</option>
          ))}
        </select>
      </label>
      <label>
        <span>older than, hours</span>
        <input
          size={6}
          inputMode="decimal"
          value={query.value.get('olderThanHours') ?? ''}
          onChange={event => setQuery({ olderThanHours: event.currentTarget.value.trim() })}
        />
      </label>
    </search>
  )
}

const Results = ({ rows }: { rows: ResultRows['results'] }) => (
  <Table
    label="Results"
    columns={['result', 'state', 'error', 'host', 'since', 'campaign', 'kernel', 'class']}
    rows={rows.map(row => ({
      key: row.id,
      cells: [
        <a key="e" class="mono" href={`/e/${row.experimentId}`}>
          {row.id.slice(-8)}
        </a>,
        <State key="s" of={row.verdict ?? row.outcome ?? row.state} />,
        row.error === null ? '' : `${row.error} ${row.detail ?? ''}`,
        row.hostId === null ? '—' : <a href={`/h/${row.hostId}`}>{row.hostName}</a>,
        since(row.since),
        <a key="c" href={`/c/${row.campaignId}`}>
          {row.title}
        </a>,
        ...[row.kernel, row.engineClass],
      ],
    }))}
  />
)

/** Hosts that something speaks against, the most suspicious first. */
export function SuspectsTab() {
  const list = useList<SuspectList>('/suspects', ['days', 'all'])
  return (
    <Shown from={list} what="the report">
      {({ hosts, days }) =>
        hosts.length === 0 ? (
          <Empty>Nothing speaks against anybody in {days} days.</Empty>
        ) : (
          <Table
            label="Suspicious hosts"
            columns={['host', 'state', 'act', 'why', ...numbers('results', 'score')]}
            rows={hosts.map(({ hostId, name, state, results, score, reasons }) => ({
              key: hostId,
              cells: [
                <a key="h" href={`/h/${hostId}`}>
                  {name}
                </a>,
                <State key="s" of={state} />,
                <HostAct key="a" host={{ id: hostId, state }} onDone={list.refresh} />,
                reasons.join('; '),
                ...[whole(results), score.toFixed(1)],
              ],
            }))}
          />
        )
      }
    </Shown>
  )
}

function HostAct({
  host,
  onDone,
}: {
  host: Pick<HostRows['hosts'][number], 'id' | 'state'>
  onDone: () => void
}) {
  if (host.state === 'retired') return null
  const { id: hostId, state } = host
  return state === 'active' ? (
    <ActButton label="Quarantine" act={{ kind: 'quarantine_host', hostId }} onDone={onDone} />
  ) : (
    <ActButton label="Release" act={{ kind: 'release_host', hostId }} onDone={onDone} />
  )
}

export function HostsTab() {
  const list = useList<HostRows>('/hosts', ['state', 'sinceHours', 'q', 'after'])
  return (
    <>
      <Find label="Name of a host" />
      <Shown from={list} what="the hosts">
        {({ hosts, nextAfter }) => (
          <>
            {hosts.length === 0 && <Empty>No host fits.</Empty>}
            <Table
              label="Hosts"
              columns={[
                'host',
                'state',
                'act',
                'heard',
                'client',
                'classes',
                ...numbers('cores'),
                'enrolled',
              ]}
              rows={hosts.map(host => ({
                key: host.id,
                cells: [
                  <a key="h" href={`/h/${host.id}`}>
                    {host.name}
                  </a>,
                  <State key="s" of={host.state} />,
                  <HostAct key="a" host={host} onDone={list.refresh} />,
                  since(host.lastSeenAt),
                  ...[host.client, host.engineClasses.join(', '), whole(host.cores), since(host.createdAt)],
                ],
              }))}
            />
            <Older after={nextAfter} />
          </>
        )}
      </Shown>
    </>
  )
}

const Find = ({ label }: { label: string }) => (
  <search class="row">
    <label for="q">{label}</label>
    <input
      id="q"
      value={query.value.get('q') ?? ''}
      onChange={event => setQuery({ q: event.currentTarget.value.trim(), after: undefined })}
    />
  </search>
)

export function UsersTab() {
  const list = useList<UserRows>('/users', ['q', 'sinceHours', 'after'])
  return (
    <>
      <Find label="Name of a user" />
      <Shown from={list} what="the users">
        {({ users, nextAfter }) => (
          <>
            {users.length === 0 && <Empty>No user fits.</Empty>}
            <Table
              label="Users"
              columns={['user', 'roles', 'act', 'open campaigns', ...numbers('credits', 'hosts'), 'since']}
              rows={users.map(user => ({
                key: user.id,
                cells: [
                  user.name,
                  `${user.roles.join(', ')}${user.blockedAt === null ? '' : ', blocked'}`,
                  <UserActs key="a" user={user} onDone={list.refresh} />,
                  `${user.campaignsOpen}${user.campaignsOpenMax === null ? '' : ` of ${user.campaignsOpenMax}`}`,
                  ...[credits(user.balanceMilli), whole(user.hosts), since(user.createdAt)],
                ],
              }))}
            />
            <Older after={nextAfter} />
          </>
        )}
      </Shown>
    </>
  )
}

function UserActs({ user, onDone }: { user: UserRows['users'][number]; onDone: () => void }) {
  const { id: userId, roles, blockedAt } = user
  const role = (wanted: 'researcher' | 'volunteer'): Act => ({ kind: 'set_roles', userId, roles: [wanted] })
  return (
    <>
      {roles.includes('researcher') ? (
        <ActButton label="Make a volunteer" act={role('volunteer')} onDone={onDone} />
      ) : (
        <ActButton label="Make a researcher" act={role('researcher')} onDone={onDone} />
      )}
      <ActButton
        label={user.campaignsOpenMax === null ? 'One campaign at a time' : "Everybody's quota"}
        act={{
          kind: 'set_quota',
          userId,
          campaigns: user.campaignsOpenMax === null ? 1 : null,
          experiments: null,
        }}
        onDone={onDone}
      />
      {blockedAt === null ? (
        <ActButton label="Block" act={{ kind: 'block_user', userId }} onDone={onDone} />
      ) : (
        <ActButton label="Unblock" act={{ kind: 'unblock_user', userId }} onDone={onDone} />
      )}
    </>
  )
}
