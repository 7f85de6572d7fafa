// A reader of Server-Sent Events, as a browser is one, that a test can read from and cut off.

/** One message: its name, its data, and the last id up to it. */
export interface Message {
  readonly event: string
  readonly data: unknown
  readonly id: string | undefined
}

export interface StreamReader {
  readonly status: number
  /** The next message that is no greeting and no beat; undefined: the stream ended. */
  next(): Promise<Message | undefined>
  /** The next of this name. Throws when the stream ends before. */
  until(event: string): Promise<Message>
  /** The last id that was read: what a browser comes back with. */
  readonly lastId: string | undefined
  hangUp(): Promise<void>
}

/** Opens GET /api/v1/stream and reads its greeting. */
export async function openStream(
  base: string,
  topics: string,
  { lastId, token, address }: { lastId?: string | undefined; token?: string; address?: string } = {},
): Promise<StreamReader> {
  const hung = new AbortController()
  const headers: Record<string, string> = {}
  if (lastId !== undefined) headers['last-event-id'] = lastId
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (address !== undefined) headers['x-forwarded-for'] = address
  const response = await fetch(`${base}/api/v1/stream?topics=${topics}`, { headers, signal: hung.signal })
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
  const texts = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  let id: string | undefined = lastId
  async function any(): Promise<Message | undefined> {
    for (;;) {
      const end = rest.indexOf('\n\n')
      if (end >= 0) {
        const fields = rest.slice(0, end).split('\n')
        rest = rest.slice(end + 2)
        const of = (name: string) => fields.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2)
        const [event, data] = [of('event'), of('data')]
        if (event === undefined || data === undefined) continue
        id = of('id') ?? id
        return { event, data: JSON.parse(data), id }
      }
      const { done, value } = await texts.read()
      if (done) return undefined
      rest += value
    }
  }
  async function until(event: string): Promise<Message> {
    for (;;) {
      const one = await any()
      if (one === undefined) throw new Error(`the stream ended before ${event}`)
      if (one.event === event) return one
    }
  }
  await until('hello')
  return {
    status: response.status,
    until,
    next: async () => {
      let one = await any()
      while (one?.event === 'beat' || one?.event === 'hello') one = await any()
      return one
    },
    get lastId() {
      return id
    },
    hangUp: async () => {
      hung.abort()
      await texts.cancel().catch(() => undefined)
    },
  }
}
