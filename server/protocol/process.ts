import { z } from 'zod'

/** What server/main.ts sends to the process that forked it, once it takes calls. */
export const ServerReady = z.object({
  type: z.literal('ready'),
  url: z.url(),
  serverId: z.string(),
  dataDir: z.string(),
  /** Holds the platform token for `xeenet verify`. */
  verifyTokenFile: z.string(),
  /** Where the first operator makes an account, once and within an hour; absent when there is one. */
  operatorUrl: z.url().optional(),
})
export type ServerReady = z.infer<typeof ServerReady>
