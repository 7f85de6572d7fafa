import type { BoardList, BoardName, BoardRow, BoardSpan, BoardVia } from '#protocol/boards.ts'
import { Csv, type Twin } from '../charts/figure.tsx'
import { get } from '../data.ts'
import { ago, credits, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { useTitle } from '../title.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table, type TableRow } from '../ui/table.tsx'
import { Science } from './top-science.tsx'

const BOARDS: readonly (readonly [BoardName, string, string])[] = [
  ['contribution', 'Contribution', 'Credit for results that two machines agreed on, or the verifier saw.'],
  [
    'recent',
    'Recent',
    'Credit a day, forgetting half in seven days: Σ credit · (ln 2 / 7 days) · 2^(−age / 7 days), the recent average credit of BOINC.',
  ],
  ['impact', 'Impact', 'Results that became a campaign’s best, or decided a verdict. Ties go by date.'],
]
const VIAS: readonly (readonly [BoardVia, string])[] = [
  ['all', 'all hosts'],
  ['tab', 'browser tabs'],
  ['cli', 'command line'],
]
const SPANS: readonly (readonly [BoardSpan, string])[] = [
  ['week', '7 days'],
  ['year', '365 days'],
  ['all', 'ever'],
]

// The address is what somebody typed: a value that is none is the first.
const chosen = <Name extends string>(
  known: readonly (readonly [Name, ...unknown[]])[],
  text: string | null,
): Name | undefined => known.find(([name]) => name === text)?.[0]

/** Four leaderboards, none of which is the one that counts. */
export function TopPage() {
  useTitle('Leaderboards')
  const asked = query.value.get('board')
  const science = asked === 'science'
  const board = chosen(BOARDS, asked) ?? 'contribution'
  const here = science ? 'science' : board
  return (
    <>
      <h1>Leaderboards</h1>
      <nav class="tabs" aria-label="Leaderboards">
        {[...BOARDS, ['science', 'Science'] as const].map(([name, title]) => (
          <a
            key={name}
            href={`/top?board=${name}`}
            {...(name === here ? { 'aria-current': 'page' as const } : {})}
          >
            {title}
          </a>
        ))}
      </nav>
      {science ? <Science /> : <People board={board} />}
    </>
  )
}

function People({ board }: { board: BoardName }) {
  const via = chosen(VIAS, query.value.get('via')) ?? 'all'
  const span = chosen(SPANS, query.value.get('span')) ?? 'all'
  const after = query.value.get('after')
  const asked = new URLSearchParams({ board, via, span, ...(after === null ? {} : { after }) })
  const list = useLive(`top ${asked}`, () => get<BoardList>(`/contributors?${asked}`), {
    ...{ topics: [], everyMs: 15_000 },
  })
  return (
    <>
      <p>{BOARDS.find(([name]) => name === board)?.[2]}</p>
      <search class="row">
        <Choice name="via" label="Computed by" of={VIAS} value={via} />
        {board !== 'recent' && <Choice name="span" label="Within" of={SPANS} value={span} />}
      </search>
      <Shown from={list} what="the leaderboard">
        {shown => <Board of={shown} />}
      </Shown>
    </>
  )
}

interface ChoiceProps {
  readonly name: string
  readonly label: string
  readonly of: readonly (readonly [string, string])[]
  readonly value: string
}

function Choice({ name, label, of, value }: ChoiceProps) {
  return (
    <>
      <label for={name}>{label}</label>
      <select
        id={name}
        value={value}
        onChange={event => setQuery({ [name]: event.currentTarget.value, after: undefined })}
      >
        {of.map(([key, title]) => (
          <option key={key} value={key}>
            {title}
          </option>
        ))}
      </select>
    </>
  )
}

const COLUMNS = [
  'place',
  'who',
  'valid',
  'credit',
  'Gfuel',
  'recent a day',
  'impact',
  'hosts',
  'since',
] as const

const cellsOf = (row: BoardRow): (string | number)[] => [
  ...[row.place, row.name, row.valid, row.creditMilli / 1000, row.fuel / 1e9, row.recentMilli / 1000],
  ...[row.impact, row.hosts, row.since],
]

function Board({ of: { rows, me, anonymous, nextAfter, board, via, span } }: { of: BoardList }) {
  const twin = (): Twin => ({ columns: COLUMNS, rows: rows.map(cellsOf) })
  const first = rows[0]
  return (
    <>
      {me !== null && (
        <p>
          You are at place {whole(me.place)}. <a href={pageAt(me.at)}>Show me ↓</a>
        </p>
      )}
      {first === undefined ? (
        <Empty>
          Nobody stands here yet. The first results with an account behind them appear within seconds.
        </Empty>
      ) : (
        <Table
          label="Leaderboard"
          columns={HEADS}
          rows={rows.map(row => personRow(row, me?.place === row.place))}
        />
      )}
      <p class="dim">
        Hosts that nobody claimed, together: {whole(anonymous.valid)} valid results,{' '}
        {credits(anonymous.creditMilli)} credits, impact {whole(anonymous.impact)}.{' '}
        <Csv name={`xeenet-${board}-${via}-${span}`} twin={twin} />
      </p>
      {(nextAfter !== null || query.value.get('after') !== null) && (
        <nav class="row" aria-label="Pages">
          {query.value.get('after') !== null && <a href={pageAt(undefined)}>First page</a>}
          {nextAfter !== null && <a href={pageAt(nextAfter)}>Next page</a>}
        </nav>
      )}
    </>
  )
}

function pageAt(after: string | undefined): string {
  const next = new URLSearchParams(query.value)
  if (after === undefined) next.delete('after')
  else next.set('after', after)
  return `/top?${next}`
}

const HEADS = [
  { name: '#', isNumber: true },
  'who',
  ...['valid', 'credit', 'Gfuel', 'recent', 'impact', 'hosts'].map(name => ({ name, isNumber: true })),
  'since',
  '14 days',
]

const personRow = (row: BoardRow, me: boolean): TableRow => ({
  key: row.place,
  isCurrent: me,
  cells: [
    whole(row.place),
    <>
      {row.name} {me && <span class="tag">you</span>}
    </>,
    ...[whole(row.valid), credits(row.creditMilli), whole(Math.round(row.fuel / 1e9))],
    ...[credits(Math.round(row.recentMilli)), whole(row.impact), whole(row.hosts)],
    ago(row.since, Date.now()),
    <Days key="d" of={row.days} />,
  ],
})

const BLOCKS = '▁▂▃▄▅▆▇█'

/** A block for each day, the tallest for the day with the most. */
function Days({ of: days }: { of: readonly number[] }) {
  const most = Math.max(1, ...days)
  const text = days.map(day => BLOCKS[Math.round((day / most) * (BLOCKS.length - 1))]).join('')
  return (
    <span
      class="mono"
      role="img"
      aria-label={`valid results of the last ${days.length} days: ${days.join(', ')}`}
    >
      {text}
    </span>
  )
}
