import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'
import { Command } from 'commander'
import { contextOf, withServer } from '../options.ts'

/**
 * `xeenet mcp`: the tools of a server for an agent on this machine, over stdin and stdout. Every message goes to the server's
 * own /mcp as it is, with the token of the command, so that there is one definition of the tools.
 */
export const mcpCommand = (): Command => {
  const command = withServer(new Command('mcp')).description('tools for an agent, over stdin and stdout')
  return command.action(async () => {
    const { talk, endpoint } = await contextOf(command)
    const { token } = endpoint
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const upstream = new StreamableHTTPClientTransport(new URL('/mcp', endpoint.server), {
      requestInit: { headers, redirect: 'error' },
    })
    const local = new StdioServerTransport()
    const closed = new Promise<void>(resolve => {
      local.onclose = resolve
      process.stdin.once('end', resolve)
    })
    upstream.onmessage = message => void local.send(message)
    local.onmessage = message => void forward(upstream, local, message)
    await upstream.start()
    await local.start()
    talk.say(`the tools of ${endpoint.server}; an agent speaks on stdin`)
    await closed
    await upstream.close()
  })
}

/** A server that cannot be reached is an answer too: the agent may try again. */
async function forward(
  upstream: StreamableHTTPClientTransport,
  local: StdioServerTransport,
  message: JSONRPCMessage,
): Promise<void> {
  try {
    await upstream.send(message)
  } catch (error) {
    const id = 'id' in message && 'method' in message ? message.id : undefined
    if (id !== undefined) await local.send(failed(id, error))
  }
}

const SERVER_ERROR = -32_000 // JSON-RPC: the first code that implementations may give a meaning

const failed = (id: RequestId, error: unknown): JSONRPCMessage => ({
  ...{ jsonrpc: '2.0', id },
  error: { code: SERVER_ERROR, message: error instanceof Error ? error.message : String(error) },
})
