// Loaded into a server before anything else (--import): lets whoever started it set its clock wrong and its disk slow, by
// messages. The machine's clock and disk are left alone, and the server has no code for it.

import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

export const Disturbance = z.object({
  /** Milliseconds that the process believes it is later than it is. */
  clockMs: z.number().optional(),
  /** Milliseconds that each write and each sync of a file takes longer. */
  diskMs: z.number().optional(),
})
export type Disturbance = z.infer<typeof Disturbance>

let clockMs = 0
let diskMs = 0

const RealDate = Date
const realNow = Date.now
Date.now = () => realNow() + clockMs
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget),
})

const handle = await open(import.meta.filename)
const files = Object.getPrototypeOf(handle)
await handle.close()
for (const name of ['write', 'sync']) {
  const real = files[name]
  files[name] = async function (...args: unknown[]) {
    if (diskMs > 0) await sleep(diskMs)
    return Reflect.apply(real, this, args)
  }
}

process.on('message', message => {
  const told = Disturbance.safeParse(message)
  if (!told.success) return
  clockMs = told.data.clockMs ?? clockMs
  diskMs = told.data.diskMs ?? diskMs
})
process.channel?.unref() // to listen is no reason to live
