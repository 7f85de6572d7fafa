import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { PostgresError } from './errors.ts'

/** How PostgreSQL's programs are started so that they are not root and do not outlive us. */
export interface Confinement {
  readonly name: string
  readonly prefix: readonly string[] // put before the program and its arguments
  readonly diesWithParent: boolean // the kernel ends the server when the thread that started it ends
  readonly owner?: Owner // who must own the data, when it is not ourselves
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

const NOBODY: Owner = { uid: 65534, gid: 65534 }

// SIGINT is PostgreSQL's fast shutdown: a killed parent leaves a cleanly closed database.
const DIE_WITH_PARENT = ['setpriv', '--pdeathsig', 'SIGINT']

// PostgreSQL refuses to run as root. In a user namespace of one entry it is root outside and uid 1000 inside, so the
// files stay root's and a home directory of mode 0700 stays shut for everybody else.
const USER_NAMESPACE = ['unshare', '--user', '--map-user=1000', '--map-group=1000']

/**
 * The ways of starting PostgreSQL, the preferred one first. `dataOwner` is who owns the database, if there is one: root
 * runs it as that user, so that the user can go on without root.
 */
export function confinements(isRoot: boolean, dataOwner: Owner | undefined): readonly Confinement[] {
  if (!isRoot) {
    return [
      { name: 'setpriv', prefix: DIE_WITH_PARENT, diesWithParent: true },
      { name: 'plain', prefix: [], diesWithParent: false },
    ]
  }
  if (dataOwner !== undefined && dataOwner.uid !== 0) return [asUser('data_owner', dataOwner)]
  return [
    { name: 'user_namespace', prefix: [...USER_NAMESPACE, ...DIE_WITH_PARENT], diesWithParent: true },
    // For where namespaces are forbidden, as they are in most containers.
    asUser('nobody', NOBODY),
  ]
}

// It keeps the one capability of passing directories that are closed to that user, so that we need not open root's home;
// no_setuid_fixup lets access(2), by which initdb looks for its programs, respect it too.
function asUser(name: string, owner: Owner): Confinement {
  const identity = [
    '--securebits',
    '+no_setuid_fixup',
    `--reuid=${owner.uid}`,
    `--regid=${owner.gid}`,
    '--clear-groups',
  ]
  const capability = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override']
  return {
    name,
    prefix: [...DIE_WITH_PARENT, ...identity, ...capability],
    diesWithParent: true,
    owner,
  }
}

/**
 * The first way in which this machine really runs `postgres --version`; throws `database_not_allowed` with every
 * reason when there is none.
 */
export async function chooseConfinement(
  binaries: Binaries,
  candidates: readonly Confinement[],
): Promise<Confinement> {
  const reasons: string[] = []
  for (const candidate of candidates) {
    const reason = await whyNot(binaries, candidate)
    if (reason === undefined) return candidate
    reasons.push(`${candidate.name}: ${reason}`)
  }
  throw new PostgresError('database_not_allowed', `PostgreSQL cannot be started (${reasons.join('; ')})`)
}

async function whyNot(binaries: Binaries, candidate: Confinement): Promise<string | undefined> {
  const [program, args] = confine(candidate, binaries.postgres, ['--version'])
  try {
    await promisify(execFile)(program, args, { env: binaries.env })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  }
}

/** The program and arguments that start `program` in this confinement. */
export function confine(
  confinement: Confinement,
  program: string,
  args: readonly string[],
): [program: string, args: string[]] {
  const [first, ...rest] = [...confinement.prefix, program, ...args]
  return [first ?? program, rest]
}
