import type { Command } from 'commander'
import { z } from 'zod'
import { EventList, WaitReply } from '#protocol/events.ts'
import { ask, askBoth } from '#runtime/api.ts'
import { contextOf, options } from '../options.ts'
import { campaignPath } from '../verb.ts'

const WaitOptions = z.object({
  after: z.string().optional(),
  timeout: z.coerce.number().min(0).max(86_400),
})

// Below the time after which a call counts as lost.
const CALL_SECONDS = 45

/** `xeenet campaign wait ID`: returns when something happens in it, or when the time is over. */
export async function waitFor(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const given = options(WaitOptions, command)
  let cursor = given.after ?? (await newest(command, id))
  for (let left = given.timeout; ; left -= CALL_SECONDS) {
    const timeout = Math.max(0, Math.min(left, CALL_SECONDS))
    const query = new URLSearchParams({ cursor, timeout: String(timeout) })
    const path = `${campaignPath(id)}/wait?${query}`
    const { reply, text } = await askBoth(endpoint, WaitReply, { method: 'GET', path })
    cursor = reply.nextAfter
    if (reply.events.length === 0 && left > CALL_SECONDS) continue
    if (talk.json) return talk.data(text)
    for (const { at, kind, detail } of reply.events) talk.data(`${at}  ${kind}  ${detail}`)
    return talk.say(`${reply.state}; go on with --after ${cursor}`)
  }
}

/** The cursor of what has happened already. */
async function newest(command: Command, id: string): Promise<string> {
  const { endpoint } = await contextOf(command)
  for (let after = '0-0'; ; ) {
    const path = `${campaignPath(id)}/events?${new URLSearchParams({ after })}`
    const { events, nextAfter } = await ask(endpoint, EventList, { method: 'GET', path })
    if (events.length === 0) return nextAfter
    after = nextAfter
  }
}
