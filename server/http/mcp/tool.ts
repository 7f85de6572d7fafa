import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'
import { CampaignId } from '#protocol/units.ts'
import { type Api, ApiRefusal } from './api.ts'

/** What hosts of agents are told of a tool, to decide what needs a person's consent. */
interface Hints {
  readonly readOnlyHint: boolean
  readonly destructiveHint: boolean
  readonly idempotentHint: boolean
  readonly openWorldHint: false
}

const CLOSED = { openWorldHint: false } as const
/** Changes nothing. */
export const READS: Hints = { ...CLOSED, readOnlyHint: true, destructiveHint: false, idempotentHint: true }
/** Adds something, once for the same arguments. */
export const ADDS_ONCE: Hints = { ...READS, readOnlyHint: false }
/** Ends something, once. */
export const ENDS: Hints = { ...ADDS_ONCE, destructiveHint: true }

interface Definition<Shape extends z.ZodRawShape> {
  readonly name: string
  readonly description: string
  readonly hints: Hints
  readonly input: Shape
  /** The reply, fenced. */
  run(api: Api, input: z.infer<z.ZodObject<Shape, z.core.$strict>>): Promise<string>
}

export interface Tool {
  readonly name: string
  addTo(server: McpServer, api: Api): void
}

/** One verb of the API for agents. What the API refuses is an answer, with its code and what to do about it. */
export function tool<Shape extends z.ZodRawShape>(definition: Definition<Shape>): Tool {
  const { name, description, hints, input } = definition
  const schema = z.strictObject(input)
  return {
    name,
    addTo: (server, api) => {
      const about = { description, annotations: hints, inputSchema: schema }
      server.registerTool(name, about, async (given: unknown) => {
        try {
          return content(await definition.run(api, schema.parse(given)))
        } catch (error) {
          return { ...content(explain(error)), isError: true }
        }
      })
    },
  }
}

const content = (text: string) => ({ content: [{ type: 'text' as const, text }] })

function explain(error: unknown): string {
  if (error instanceof z.ZodError)
    return JSON.stringify({ code: 'bad_request', detail: z.prettifyError(error) })
  if (!(error instanceof ApiRefusal)) throw error
  const { code, title, detail, hint, retryable, retryAfterMs } = error.problem
  return JSON.stringify({ code, title, detail, hint, retryable, retryAfterMs })
}

export const campaignId = CampaignId.describe('id of the campaign, c_…')
export const detail = z.enum(['summary', 'full']).default('summary').describe('summary: at most 2,000 tokens')
export const dryRun = z.boolean().default(false).describe('say what would happen, change nothing')
export const idempotencyKey = z
  .string()
  .min(1)
  .max(200)
  .describe('any text of your own; the same call with the same key is done once')
