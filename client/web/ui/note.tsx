import type { NoteView } from '#protocol/notes.ts'
import { When } from './parts.tsx'

const linkOf = (id: string): string => (id.startsWith('c_') ? `/c/${id}` : `/e/${id}`)

/** A note of a list. It is shown as text, whatever is in it. */
export const NoteItem = ({ of: note }: { of: NoteView }) => (
  <li>
    <p class="meta">
      {note.kind} by {note.author}, <When at={note.at} />
    </p>
    <p class="prose lines">{note.text}</p>
    {note.evidence.length > 0 && (
      <p class="meta">
        evidence:{' '}
        {note.evidence.map(one => (
          <>
            <a key={one} href={linkOf(one)}>
              {one}
            </a>{' '}
          </>
        ))}
      </p>
    )}
  </li>
)
