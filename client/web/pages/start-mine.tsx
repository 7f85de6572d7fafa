import type { HostView } from '#protocol/host.ts'
import { Rug } from '../charts/rug.tsx'
import { get } from '../data.ts'
import { credits, metric, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Figures, State } from '../ui/parts.tsx'
import type { Computed, Snapshot } from '../volunteer/messages.ts'

const TOKENS = {
  waiting: 'warn',
  valid: 'accent',
  invalid: 'bad',
  inconclusive: 'ink-3',
  error: 'ink-3',
} as const
const TICKS = 60
// A verdict is told when it is given; without a stream this page looks that often while one is awaited.
const VERDICT_MS = 1_000

/** What this browser has computed, and what came of it. */
export function Mine({ of: { computed, host, log } }: { of: Snapshot }) {
  const waiting = computed.some(one => one.fate === 'waiting')
  const last = computed.slice(-TICKS)
  const count = (fate: Computed['fate']): string => whole(computed.filter(one => one.fate === fate).length)
  return (
    <>
      <h2>Mine</h2>
      {host !== null && <Earned hostId={host.id} name={host.name} waiting={waiting} />}
      <Rug
        label={`The last ${last.length} results: ${count('valid')} valid, ${count('waiting')} waiting`}
        width={TICKS * 3}
        ticks={last.map((one, i) => ({
          at: i / TICKS,
          token: TOKENS[one.fate],
          height: one.fate === 'valid' ? 1 : 0.5,
        }))}
      />
      <Results of={[...computed].reverse().slice(0, 12)} />
      <details>
        <summary>Log</summary>
        <pre>{log.map(({ at, text }) => `${new Date(at).toLocaleTimeString()} ${text}`).join('\n')}</pre>
      </details>
    </>
  )
}

function Earned({ hostId, name, waiting }: { hostId: string; name: string; waiting: boolean }) {
  const view = useLive(`host ${hostId}`, () => get<HostView>(`/hosts/${hostId}`), {
    topics: [`host:${hostId}`],
    everyMs: waiting ? VERDICT_MS : 15_000,
  })
  const now = view.now.value
  if (now.state !== 'ready') return <Empty>This browser is {name}.</Empty>
  const { results, grantedMilli } = now.value
  return (
    <>
      <p>
        This browser is {name} ({hostId}). It needs no account; what it earns stays with it.
      </p>
      <Figures
        of={[
          [
            'valid',
            <span key="v" data-figure="valid">
              {whole(results.valid)}
            </span>,
          ],
          ['waiting', whole(results.pending)],
          [
            'credit',
            <span key="c" data-figure="credit">
              {credits(grantedMilli)}
            </span>,
          ],
        ]}
      />
    </>
  )
}

function Results({ of: rows }: { of: readonly Computed[] }) {
  if (rows.length === 0) return <Empty>No result yet. Most runs take a minute or two.</Empty>
  return (
    <ul class="items">
      {rows.map(one => (
        <li key={one.resultId} class="row" data-computed={one.resultId} data-digest={one.digest}>
          <State of={one.fate} />
          <a href={`/c/${one.campaignId}`}>{one.title}</a>
          <span class="grow" />
          {one.metric !== null && `${one.metric.name} ${metric(one.metric.value)}`}
        </li>
      ))}
    </ul>
  )
}
