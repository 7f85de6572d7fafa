import type { Command } from 'commander'
import { z } from 'zod'
import { NoteKind, NoteList, NoteView } from '#protocol/notes.ts'
import { askBoth } from '#runtime/api.ts'
import { contextOf, options } from '../options.ts'
import { campaignPath } from '../verb.ts'

const PAGE = 100

/** `xeenet campaign notes ID`: what its agents and owner wrote down. */
export async function showNotes(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  let after: string | null = ''
  while (after !== null) {
    const query = new URLSearchParams({ limit: String(PAGE), ...(after === '' ? {} : { after }) })
    const asked = { method: 'GET', path: `${campaignPath(id)}/notes?${query}` } as const
    const { reply, text }: { reply: NoteList; text: string } = await askBoth(endpoint, NoteList, asked)
    if (talk.json) talk.data(text)
    else for (const note of reply.notes) talk.data(noteLines(note).join('\n'))
    after = reply.nextAfter
  }
}

const NoteOptions = z.object({
  kind: NoteKind,
  text: z.string(),
  evidence: z.array(z.string()).default([]),
})

/** `xeenet campaign note ID --kind K --text T`. */
export async function writeNote(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const body = JSON.stringify(options(NoteOptions, command))
  const asked = { method: 'POST', path: `${campaignPath(id)}/notes`, body } as const
  const { reply, text } = await askBoth(endpoint, NoteView, asked)
  talk.data(talk.json ? text : reply.id)
}

/** A note as somebody else's words: indented, so that no line of it passes for one of ours. */
function noteLines({ at, author, kind, text, evidence }: NoteView): string[] {
  const rests = evidence.length === 0 ? [] : [`  on ${evidence.join(' ')}`]
  return [`${at}  ${author}  ${kind}`, ...text.split('\n').map(line => `  ${line}`), ...rests]
}
