import type { HostResult, HostResultList, HostTicks } from '#protocol/host-results.ts'
import { SpanRug } from '../charts/rug.tsx'
import { get } from '../data.ts'
import { counted, credits, span, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query } from '../router.ts'
import { Empty, Shown, State, When } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

/** What became public of a host's last day: a mark for what it reported at about the same time. */
export function LastDay({ id }: { id: string }) {
  const day = useLive(`host ticks ${id}`, () => get<HostTicks>(`/hosts/${id}/ticks`), {
    topics: [`host:${id}`],
  })
  const now = day.now.value
  const known = now.state === 'ready' ? now.value : undefined
  const sum = (of: 'runs' | 'failed'): number => known?.ticks.reduce((all, tick) => all + tick[of], 0) ?? 0
  const failed = sum('failed') === 0 ? '' : `, ${whole(sum('failed'))} of which do not count`
  const sentence =
    known === undefined
      ? 'The last 24 hours'
      : `${counted(sum('runs'), 'public result')} of the last 24 hours${failed}`
  return (
    <>
      <SpanRug
        ticks={known?.ticks ?? []}
        since={Date.parse(known?.since ?? '')}
        until={Date.parse(known?.now ?? '')}
        rest={0}
        label={sentence}
      />
      <p class="meta">{sentence}</p>
    </>
  )
}

/** What a host computes and computed, the latest first; which page of it stands in the address. */
export function Results({ id }: { id: string }) {
  const after = query.value.get('after')
  const page = useLive(
    `host results ${id} ${after}`,
    () => get<HostResultList>(`/hosts/${id}/results${after === null ? '' : `?after=${after}`}`),
    { topics: [`host:${id}`], everyMs: 10_000 },
  )
  return (
    <section>
      <h2>Results</h2>
      <Shown from={page} what="the results">
        {({ results, own, nextAfter }) => (
          <>
            {!own && (
              <p class="meta">
                Of public runs only: which machine computes what is secret until then, but for its owner.
              </p>
            )}
            {results.length === 0 ? (
              <Empty>{own ? 'It was given nothing yet.' : 'None of its results is public yet.'}</Empty>
            ) : (
              <Rows of={results} />
            )}
            <p class="row">
              {after !== null && <a href={`/h/${id}`}>Latest</a>}
              {nextAfter !== null && <a href={`/h/${id}?after=${nextAfter}`}>Older</a>}
            </p>
          </>
        )}
      </Shown>
    </section>
  )
}

const Rows = ({ of }: { of: readonly HostResult[] }) => (
  <Table
    label="Results"
    columns={[
      'campaign',
      'state',
      { name: 'credit', isNumber: true },
      { name: 'took', isNumber: true },
      'sent',
      'result',
    ]}
    rows={of.map(result => ({
      key: result.id,
      cells: [
        <a key="c" class="cut" title={result.campaign.title} href={`/c/${result.campaign.id}`}>
          {result.campaign.title}
        </a>,
        <Fate key="s" of={result} />,
        result.grantedMilli === 0 ? '' : `${credits(result.grantedMilli)}${result.vested ? '' : ' held'}`,
        result.tookMs === null ? '' : span(result.tookMs / 1000),
        <When key="w" at={result.sentAt} />,
        <a key="r" class="mono" href={`/e/${result.experimentId}`}>
          {result.id.slice(-ID_CHARS)}
        </a>,
      ],
    }))}
  />
)

// Ids begin with the time: their ends differ.
const ID_CHARS = 6

const Fate = ({ of: { state, outcome, verdict, late, fraction } }: { of: HostResult }) => (
  <>
    <State of={verdict ?? outcome ?? state} />{' '}
    <span class="dim">
      {state === 'in_progress' && `${Math.round(fraction * 100)} %`}
      {late && 'late'}
    </span>
  </>
)
