import type { LetterList } from '#protocol/operator.ts'
import { ago, whole } from '../format.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { ActButton } from './ops-act.tsx'
import { numbers, useList } from './ops-table.tsx'

type Letter = LetterList['letters'][number]

// Where the console shows what a letter is about; of the rest its id says enough.
const PLACES: Readonly<Record<string, (id: string) => string>> = {
  w: id => `/ops?tab=results&workUnitId=${id}`,
  c: id => `/c/${id}`,
  h: id => `/h/${id}`,
}

function Subject({ id }: { id: string }) {
  const kind = id.slice(0, id.indexOf('_'))
  const short = `${kind}_…${id.slice(-8)}` // whole ids would fill a phone
  const place = PLACES[kind]
  return place === undefined ? (
    <span class="mono" title={id}>
      {short}
    </span>
  ) : (
    <a class="mono" title={id} href={place(id)}>
      {short}
    </a>
  )
}

/** What the server could not do however often it tried, with the error: try again when the cause is mended, or put it aside. */
export function LettersTab() {
  const list = useList<LetterList>('/letters')
  return (
    <Shown from={list} what="the letters">
      {({ letters }) =>
        letters.length === 0 ? (
          <Empty>Nothing was given up on.</Empty>
        ) : (
          <>
            <p>
              Each of these failed on every retry. Mend the cause first: what is requeued and fails again is
              back here. A work unit is tried again every five minutes anyway.
            </p>
            {letters.length > 1 && <Acts of={letters} onDone={list.refresh} all />}
            <Table
              label="Letters"
              columns={['about', 'act', 'error', 'last', 'first', ...numbers('times'), 'daemon']}
              rows={letters.map(letter => ({
                key: letter.subject,
                cells: [
                  <Subject key="s" id={letter.subject} />,
                  <Acts key="a" of={[letter]} onDone={list.refresh} />,
                  letter.error ?? '—',
                  ago(letter.lastAt, Date.now()),
                  ago(letter.firstAt, Date.now()),
                  ...[whole(letter.count), letter.daemon],
                ],
              }))}
            />
          </>
        )
      }
    </Shown>
  )
}

function Acts({ of, onDone, all = false }: { of: readonly Letter[]; onDone: () => void; all?: boolean }) {
  const subjects = of.map(({ subject }) => subject)
  return (
    <div class="row">
      <ActButton
        label={all ? 'Requeue all of them' : 'Requeue'}
        act={{ kind: 'requeue_letters', subjects }}
        onDone={onDone}
      />
      <ActButton
        label={all ? 'Discard all of them' : 'Discard'}
        act={{ kind: 'discard_letters', subjects }}
        onDone={onDone}
      />
    </div>
  )
}
