// A process that runs a database until it is killed: what the tests of kills kill. Prints one line when it is ready.
// Usage: node hold.ts DATA_DIR [CONFINEMENT_AS_JSON]
import { z } from 'zod'
import { startPostgres } from '#server/postgres/start.ts'
import { supervisePostgres } from '#server/postgres/supervise.ts'

const Confinement = z.object({
  name: z.string(),
  prefix: z.array(z.string()),
  diesWithParent: z.boolean(),
  owner: z.object({ uid: z.int(), gid: z.int() }).optional(),
})

const [, , dataDir = '', confinement] = process.argv
const log = { info: () => undefined, warn: () => undefined }
try {
  if (confinement === undefined) {
    const postgres = await supervisePostgres({ dataDir, log })
    console.log(JSON.stringify({ pid: postgres.pid(), connectionString: postgres.connectionString }))
  } else {
    const { owner, ...rest } = Confinement.parse(JSON.parse(confinement))
    const confinements = [owner === undefined ? rest : { ...rest, owner }]
    const postgres = await startPostgres({ dataDir, log, confinements })
    console.log(JSON.stringify({ pid: postgres.pid, connectionString: postgres.connectionString }))
  }
} catch (error) {
  console.log(JSON.stringify(error))
  process.exitCode = 1
}
