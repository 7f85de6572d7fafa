import type { Finding, Sample, SymptomsView } from '#protocol/operator.ts'
import { LineChart } from '../charts/line.tsx'
import { Spark } from '../charts/spark.tsx'
import { span, whole } from '../format.ts'
import { Figures, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { numbers } from './ops-table.tsx'

const to = (tab: string, value: number | string) => <a href={`/ops?tab=${tab}`}>{value}</a>

/** What users would notice first, what lies behind it below. Each number leads to the list behind it, and shows its last day. */
export function Symptoms({ of: view }: { of: SymptomsView }) {
  const { findings, ledger, requests, database, samples } = view
  return (
    <>
      <Findings of={findings} />
      <Noticed of={view} />
      <Behind of={view} />
      {samples.length < 2 && (
        <p class="meta">The lines of the last day grow here, by one figure each ten minutes.</p>
      )}
      <p class="row">
        <State of={ledger.balanced ? 'active' : 'failed'} />{' '}
        {ledger.balanced ? 'The ledger balances.' : 'The ledger does not balance.'} Database{' '}
        {mebi(database.bytes)}, {database.connections} connections.{' '}
        <Spark label="size of the database" points={over(samples, 'databaseBytes')} say={mebi} />
      </p>
      <h2>Daemons</h2>
      <Daemons of={view} />
      {requests.minutes.length > 1 && (
        <>
          <h2>Requests</h2>
          <LineChart
            name="requests"
            x="minutes"
            y="a minute"
            height={160}
            lines={[
              { label: 'requests', token: 'series-1', points: minutesOf(view, minute => minute.requests) },
              { label: 'failed', token: 'bad', points: minutesOf(view, minute => minute.failed) },
            ]}
            sentence={`Requests of this process; ${(100 * requests.errorShare).toFixed(2)} % of the last minutes failed.`}
          />
        </>
      )}
    </>
  )
}

const mebi = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`

/** How a kept figure went over the day. */
const over = (samples: readonly Sample[], name: Exclude<keyof Sample, 'at'>) =>
  samples.map(sample => [Date.parse(sample.at), sample[name]] as const)

function Noticed({ of: { results, lastHour, requests, samples } }: { of: SymptomsView }) {
  const day = (label: string, name: Exclude<keyof Sample, 'at'>) => (
    <Spark label={`${label}, last day`} points={over(samples, name)} say={whole} />
  )
  const rate = ({ reported, failed }: Sample): number =>
    reported + failed === 0 ? 0 : failed / (reported + failed)
  const rates = samples.map(sample => [Date.parse(sample.at), rate(sample)] as const)
  const hour = (label: string, of: (minute: Minute) => number) => {
    const points = requests.minutes.map(minute => [Date.parse(minute.at), of(minute)] as const)
    return <Spark label={`${label}, last hour`} points={points} />
  }
  const { rate: now, success } = lastHour
  const { unsent, inProgress, pending } = results
  return (
    <Figures
      of={[
        ['unsent', to('results&state=unsent', whole(unsent)), day('unsent', 'unsent')],
        ['in progress', to('results&state=in_progress', whole(inProgress)), day('in progress', 'inProgress')],
        ['await validation', to('results&state=pending', whole(pending)), day('await validation', 'pending')],
        [
          'errors, last hour',
          to('errors&hours=1', now === null ? '—' : percent(now)),
          <Spark key="s" label="share of errors, last day" points={rates} say={percent} />,
        ],
        ['results, last hour', whole(success), day('results an hour', 'reported')],
        ['requests a second', requests.perSecond.toFixed(1), hour('requests a minute', m => m.requests)],
        ['p95', requests.p95Ms === null ? '—' : `${requests.p95Ms} ms`, hour('p95 in ms', m => m.p95Ms)],
      ]}
    />
  )
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const Behind = ({ of: { lastDay, hosts, open, samples } }: { of: SymptomsView }) => (
  <Figures
    of={[
      [
        'hosts, last hour',
        to('hosts&state=active', whole(hosts.active)),
        <Spark key="s" label="hosts, last day" points={over(samples, 'hosts')} say={whole} />,
      ],
      ['new hosts, a day', to('hosts&sinceHours=24', whole(lastDay.hosts))],
      ['new users, a day', to('users&sinceHours=24', whole(lastDay.users))],
      ['verifiers', whole(hosts.verifiers)],
      ['quarantined', to('hosts&state=quarantined', whole(hosts.quarantined))],
      ['appeals', to('appeals', whole(open.appeals))],
      ['alerts', to('alerts', whole(open.alerts))],
      ['kernels to sign', to('kernels', whole(open.proposals))],
    ]}
  />
)

type Minute = SymptomsView['requests']['minutes'][number]

const minutesOf = ({ now, requests }: SymptomsView, of: (minute: Minute) => number) =>
  requests.minutes.map(
    minute => [Math.round((Date.parse(minute.at) - Date.parse(now)) / 60_000), of(minute)] as const,
  )

const STATES = { bad: 'failed', warn: 'waiting', info: 'open' } as const

function Findings({ of: findings }: { of: readonly Finding[] }) {
  if (findings.length === 0)
    return (
      <p class="row">
        <State of="active" /> All is well.
      </p>
    )
  return (
    <ol class="items" aria-label="What is wrong">
      {findings.map(({ level, what, causes, action }, i) => (
        <li key={what}>
          <p class="row">
            <State of={STATES[level]} /> <strong>{what}</strong>
          </p>
          {causes.length > 0 && <p class="dim">Perhaps: {causes.join('; ')}.</p>}
          <p class="row">
            {action.href === null ? (
              <>
                {action.label}: <code>{action.command}</code>
              </>
            ) : (
              <a class={i === 0 ? 'button primary' : 'button'} href={action.href}>
                {action.label}
              </a>
            )}
          </p>
        </li>
      ))}
    </ol>
  )
}

/** What works behind the pages: how much waits for each, and for how long. */
function Daemons({ of: { daemons, deadLetters, ledger, samples } }: { of: SymptomsView }) {
  const seconds = (value: number | null): string => (value === null ? '—' : span(value))
  const day = (name: 'unsealedSeconds' | 'deadLetters') => (
    <Spark
      key="s"
      label={`${name === 'deadLetters' ? 'given up on' : 'seal'}, last day`}
      points={over(samples, name)}
    />
  )
  const slowest = (
    <Spark
      key="s"
      label="the slowest, in seconds, last day"
      points={over(samples, 'lagSeconds')}
      say={span}
    />
  )
  return (
    <Table
      label="Daemons"
      columns={['daemon', ...numbers('waiting', 'oldest'), 'last day']}
      rows={[
        ...daemons.map(({ name, waiting, oldestSeconds }) => ({
          key: name,
          cells: [name, whole(waiting), seconds(oldestSeconds), ''],
        })),
        { key: 'slowest', cells: ['the slowest of them', '', '', slowest] },
        { key: 'seal', cells: ['seal', '', seconds(ledger.unsealedSeconds), day('unsealedSeconds')] },
        {
          key: 'dead',
          cells: ['given up on', to('letters', whole(deadLetters)), '', day('deadLetters')],
        },
      ]}
    />
  )
}
