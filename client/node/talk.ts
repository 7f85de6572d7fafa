/** Where words go: data to stdout, talk to stderr; with `--json` only JSON to stdout. */
export interface Talk {
  readonly json: boolean
  /** What was asked for. */
  data(text: string): void
  /** Something for people. Silent with `--json`. */
  say(text: string): void
  /** Something that happened: an NDJSON line on stdout, or `human` for people. */
  event(ev: string, fields: Readonly<Record<string, unknown>>, human?: string): void
}

const EVENT_VERSION = 1

/** Opens the streams; a reader that goes away (`| head`) is no error. */
export function openTalk(json: boolean, now: () => Date = () => new Date()): Talk {
  process.stdout.on('error', ignoreBrokenPipe)
  const data = (text: string): void => {
    process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  }
  const say = (text: string): void => {
    if (!json) process.stderr.write(`${text}\n`)
  }
  return {
    json,
    data,
    say,
    event: (ev, fields, human) => {
      const t = now().toISOString()
      if (json) data(JSON.stringify({ v: EVENT_VERSION, t, ev, ...fields }))
      else if (human !== undefined) say(process.stderr.isTTY ? human : `${t} ${human}`)
    },
  }
}

function ignoreBrokenPipe(error: Error): void {
  if ('code' in error && error.code === 'EPIPE') process.exit(0)
  throw error
}
