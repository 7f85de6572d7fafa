import type { Finding, SymptomsView } from '#protocol/operator.ts'
import { LineChart } from '../charts/line.tsx'
import { span, whole } from '../format.ts'
import { Figures, Scroll, State } from '../ui/parts.tsx'

/** What users would notice first, what lies behind it below. Each number leads to the list behind it. */
export function Symptoms({ of: view }: { of: SymptomsView }) {
  const { findings, results, lastHour, lastDay, hosts, ledger, open, requests, database } = view
  const to = (tab: string, value: number) => <a href={`/ops?tab=${tab}`}>{whole(value)}</a>
  return (
    <>
      <Findings of={findings} />
      <Figures
        of={[
          ['unsent', to('results&state=unsent', results.unsent)],
          ['in progress', to('results&state=in_progress', results.inProgress)],
          ['await validation', to('results&state=pending', results.pending)],
          [
            'errors, last hour',
            <a key="errors" href="/ops?tab=errors&hours=1">
              {lastHour.rate === null ? '—' : `${(100 * lastHour.rate).toFixed(1)} %`}
            </a>,
          ],
          ['requests a second', requests.perSecond.toFixed(1)],
          ['p95', requests.p95Ms === null ? '—' : `${requests.p95Ms} ms`],
        ]}
      />
      <Figures
        of={[
          ['new users, a day', to('users&sinceHours=24', lastDay.users)],
          ['new hosts, a day', to('hosts&sinceHours=24', lastDay.hosts)],
          ['hosts, last hour', to('hosts&state=active', hosts.active)],
          ['verifiers', whole(hosts.verifiers)],
          ['quarantined', to('hosts&state=quarantined', hosts.quarantined)],
          ['appeals', to('appeals', open.appeals)],
          ['alerts', to('alerts', open.alerts)],
          ['kernels to sign', to('kernels', open.proposals)],
        ]}
      />
      <h2>Daemons</h2>
      <Daemons of={view} />
      <p>
        <State of={ledger.balanced ? 'active' : 'failed'} />{' '}
        {ledger.balanced ? 'The ledger balances.' : 'The ledger does not balance.'} Database{' '}
        {(database.bytes / 2 ** 20).toFixed(0)} MiB, {database.connections} connections.
      </p>
      {requests.minutes.length > 1 && (
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
      )}
    </>
  )
}

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

const Daemons = ({ of: { daemons, deadLetters, ledger } }: { of: SymptomsView }) => (
  <Scroll label="Daemons">
    <table class="facts">
      <thead>
        <tr>
          <th>daemon</th>
          <th class="n">waiting</th>
          <th class="n">oldest</th>
        </tr>
      </thead>
      <tbody>
        {daemons.map(({ name, waiting, oldestSeconds }) => (
          <tr key={name}>
            <td>{name}</td>
            <td class="n">{whole(waiting)}</td>
            <td class="n">{oldestSeconds === null ? '—' : span(oldestSeconds)}</td>
          </tr>
        ))}
        <tr>
          <td>seal</td>
          <td class="n" />
          <td class="n">{ledger.unsealedSeconds === null ? '—' : span(ledger.unsealedSeconds)}</td>
        </tr>
        <tr>
          <td>given up on</td>
          <td class="n">{whole(deadLetters)}</td>
          <td class="n" />
        </tr>
      </tbody>
    </table>
  </Scroll>
)
