import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { z } from 'zod'

const Answer = z.looseObject({
  content: z.tuple([z.object({ type: z.literal('text'), text: z.string() })]),
  isError: z.boolean().default(false),
})

/** What a tool answered: its text as it came, and the JSON in it. */
export interface Answered {
  readonly text: string
  readonly isError: boolean
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly data: any
}

/** An agent of a test: the official client over some transport. */
export interface Agent {
  readonly client: Client
  use(tool: string, args?: Record<string, unknown>): Promise<Answered>
  close(): Promise<void>
}

/** Opens a session. */
export async function openAgent(transport: Transport): Promise<Agent> {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  return {
    client,
    use: async (name, args = {}) => {
      const { content, isError } = Answer.parse(await client.callTool({ name, arguments: args }))
      const [{ text }] = content
      const fenced = /<xeenet-data>\n(.*)\n<\/xeenet-data>$/s.exec(text)?.[1]
      return { text, isError, data: fenced === undefined && !isError ? text : jsonOf(fenced ?? text) }
    },
    close: () => client.close(),
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // what the library itself says of arguments of another form
  }
}

/** An agent of a server, over streamable HTTP. */
export function agentOf(url: string, token?: string): Promise<Agent> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit: { headers } })
  return openAgent(transport as Transport)
}
