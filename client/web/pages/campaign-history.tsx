import type { CampaignView } from '#protocol/campaign.ts'
import type { EventList } from '#protocol/events.ts'
import type { NoteList } from '#protocol/notes.ts'
import { get, getAll } from '../data.ts'
import { useLive } from '../live.ts'
import { NoteItem } from '../ui/note.tsx'
import { Empty, Shown, When } from '../ui/parts.tsx'

interface TabProps {
  readonly campaign: CampaignView
}

/** What its agents and its owner wrote down, newest first. All of it is shown as text. */
export function Notes({ campaign: { id } }: TabProps) {
  const load = async () =>
    (await getAll<NoteList>(`/campaigns/${id}/notes`, page => page.notes)).flatMap(page => page.notes)
  const notes = useLive(`notes ${id}`, load, { topics: [`campaign:${id}`] })
  return (
    <Shown from={notes} what="the notes">
      {rows =>
        rows.length === 0 ? (
          <Empty>Nobody has written anything down yet.</Empty>
        ) : (
          <ul class="items">
            {[...rows].reverse().map(note => (
              <NoteItem key={note.id} of={note} />
            ))}
          </ul>
        )
      }
    </Shown>
  )
}

/** Every event from the first on: its cursor gives what came later, and nothing is inserted in front of it. */
async function loadEvents(id: string): Promise<EventList['events']> {
  const events: EventList['events'] = []
  for (let after = ''; ; ) {
    const page = await get<EventList>(`/campaigns/${id}/events?limit=1000${after}`)
    events.push(...page.events)
    if (page.events.length === 0) return events
    after = `&after=${page.nextAfter}`
  }
}

export function Log({ campaign: { id } }: TabProps) {
  const events = useLive(`events ${id}`, () => loadEvents(id), { topics: [`campaign:${id}`] })
  return (
    <Shown from={events} what="the log">
      {rows =>
        rows.length === 0 ? (
          <Empty>Nothing has happened yet.</Empty>
        ) : (
          <ul class="items">
            {[...rows].reverse().map(event => (
              <li key={event.cursor} class="row">
                <span class="nowrap">{event.kind}</span>
                <span>{event.detail}</span>
                {event.experimentId !== null && <a href={`/e/${event.experimentId}`}>experiment</a>}
                <span class="grow" />
                <When at={event.at} />
              </li>
            ))}
          </ul>
        )
      }
    </Shown>
  )
}
