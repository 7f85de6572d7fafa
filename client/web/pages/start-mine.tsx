import { useEffect, useRef } from 'preact/hooks'
import type { HostView } from '#protocol/host.ts'
import type { Computed, Snapshot } from '#runtime/snapshot.ts'
import { Rug } from '../charts/rug.tsx'
import { get } from '../data.ts'
import { credits, metric, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Figures, State } from '../ui/parts.tsx'
import type { Link } from '../volunteer/link.ts'
import { SaveToAccount } from './start-claim.tsx'

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

interface MineProps {
  readonly link: Link
  readonly of: Snapshot
  /** `This browser`, or what else computes. */
  readonly self: string
  /** Whether its host can be given to an account here. */
  readonly savable: boolean
}

/** What was computed here, and what came of it. */
export function Mine({ link, of: { computed, host, log, phase }, self, savable }: MineProps) {
  const waiting = computed.some(one => one.fate === 'waiting')
  const last = computed.slice(-TICKS)
  const count = (fate: Computed['fate']): string => whole(computed.filter(one => one.fate === fate).length)
  return (
    <>
      <h2>Mine</h2>
      {host !== null && (
        <Earned link={link} host={host} waiting={waiting && phase === 'on'} self={self} known={computed} />
      )}
      {host !== null && savable && <SaveToAccount />}
      <Rug
        label={`The last ${last.length} results: ${count('valid')} valid, ${count('waiting')} waiting`}
        width={TICKS * 3}
        marks={last.map((one, i) => ({
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

interface EarnedProps {
  readonly link: Link
  readonly host: { readonly id: string; readonly name: string }
  readonly waiting: boolean
  readonly self: string
  readonly known: readonly Computed[]
}

function Earned({ link, host: { id: hostId, name }, waiting, self, known }: EarnedProps) {
  const view = useLive(`host ${hostId}`, () => get<HostView>(`/hosts/${hostId}`), {
    topics: [`host:${hostId}`],
    everyMs: waiting ? VERDICT_MS : 15_000,
  })
  const now = view.now.value
  const judged = now.state === 'ready' ? now.value.results.valid + now.value.results.invalid : 0
  const toldOf = useRef(judged)
  const heard = known.filter(one => one.fate === 'valid' || one.fate === 'invalid').length
  useEffect(() => {
    // A verdict is public before the volunteer's next call would bring it.
    if (waiting && judged > toldOf.current && judged > heard) link.command({ type: 'inquire' })
    toldOf.current = judged
  }, [judged, waiting])
  if (now.state !== 'ready')
    return (
      <Empty>
        {self} is {name}.
      </Empty>
    )
  const { results, grantedMilli } = now.value
  return (
    <>
      <p>
        {self} is {name} (<a href={`/h/${hostId}`}>{hostId}</a>). It needs no account; what it earns stays
        with it.
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
        <li
          key={one.resultId}
          class="row"
          data-computed={one.resultId}
          data-fate={one.fate}
          data-digest={one.digest}
        >
          <State of={one.fate} />
          <a href={`/c/${one.campaignId}`}>{one.title}</a>
          <span class="grow" />
          {one.metric !== null && `${one.metric.name} ${metric(one.metric.value)}`}
          {one.milli > 0 && <b>+{credits(one.milli)}</b>}
        </li>
      ))}
    </ul>
  )
}
