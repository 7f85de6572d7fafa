import { Role } from '#server/config.ts'
import { theRunning } from '#server/running.ts'
import { startServer } from '../faults/process.ts'
import type { Grid } from '../grid.ts'
import type { ServerProcess } from './window.ts'

/** How many processes answer calls, and how many move work units. None of either: one does everything. */
export interface Apart {
  readonly http: number
  readonly validate: number
}

export interface Servers {
  /** Of those that answer the load. */
  readonly urls: readonly URL[]
  readonly processes: readonly ServerProcess[]
  readonly connectionString: string
  stop(): Promise<void>
}

const STAGES: readonly Role[] = ['transition', 'validate', 'assimilate']

const isApart = ({ http, validate }: Apart): boolean => http + validate > 0

/** The roles of the process that has the database: all, or what is left. Researchers submit to it, so it answers in any case. */
export const firstRoles = (apart: Apart): string =>
  Role.options.filter(role => !isApart(apart) || !STAGES.includes(role)).join(',')

/** Starts the others beside the first, on its database and directory. */
export async function startServers(grid: Grid, env: NodeJS.ProcessEnv, apart: Apart): Promise<Servers> {
  const first = await theRunning(grid.dataDir)
  const { connectionString } = first
  const started: ReturnType<typeof startServer>[] = []
  const start = (roles: string) => {
    const own = {
      XEENET_ROLES: roles,
      XEENET_DATA_DIR: grid.dataDir,
      DATABASE_URL: connectionString,
      PORT: '0',
    }
    const process = startServer({ ...env, ...own }, { isDisturbed: false })
    started.push(process)
    return process
  }
  const several = <T>(n: number, make: (name: number) => T): T[] =>
    Array.from({ length: n }, (_, i) => make(i + 1))
  const https = several(apart.http, n => ({ name: `http ${n}`, process: start('http') }))
  const validates = several(apart.validate, n => ({
    name: `validate ${n}`,
    process: start(STAGES.join(',')),
  }))
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(process => process.end('SIGTERM')))
  }
  try {
    const urls = await Promise.all(https.map(({ process }) => process.ready))
    const others = [...https, ...validates].map(({ name, process: { pid } }) => ({ name, pid }))
    return {
      urls: (isApart(apart) ? urls : [grid.url]).map(url => new URL(url)),
      processes: [{ name: isApart(apart) ? 'others' : 'server', pid: first.pid }, ...others],
      ...{ connectionString, stop },
    }
  } catch (error) {
    await stop()
    throw error
  }
}
