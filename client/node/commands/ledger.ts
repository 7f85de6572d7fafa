import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { SigningKeyList } from '#protocol/kernel.ts'
import { hashOf, LedgerHead, LedgerHeads, statementBytes } from '#protocol/ledger.ts'
import { checkLedger, type LedgerProblem, type LedgerVerdict } from '#protocol/ledger-check.ts'
import type { Hash } from '#protocol/merkle.ts'
import { PublicKeyText, verifyBytes } from '#protocol/signature.ts'
import { Sha256 } from '#protocol/units.ts'
import { ask, askChunks } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { usage } from '../failure.ts'
import { isMissing, readIfThere, writeDurably } from '../files.ts'
import { contextOf, options, withJson, withServer } from '../options.ts'
import { openTalk } from '../talk.ts'

/** `xeenet ledger …`: the chain of all transfers, for anyone who wants to check it. */
export function ledgerCommand(done: (exit: number) => void): Command {
  const ledger = new Command('ledger').description('every transfer of credit, sealed in a chain of blocks')
  const head = withServer(new Command('head').description('the newest head: keep it, to verify with later'))
  const exporting = withServer(new Command('export').description('every sealed transfer, block by block'))
  const verify = withJson(new Command('verify').description('check an export, without any server'))
  ledger.addCommand(head.action(() => showHead(head)))
  ledger.addCommand(
    exporting
      .option('-o, --output <file>', 'write a file instead of printing')
      .action(() => exportLedger(exporting)),
  )
  ledger.addCommand(
    verify
      .argument('<file>', 'an export')
      .option('--head <head>', 'a head kept elsewhere: its hash, its JSON, or a file that holds it')
      .option(
        '--key <key>',
        'a public key of the operator, or a file: with one, or with what GET /api/v1/signing-keys says; may be repeated',
        (key: string, before: readonly string[] = []) => [...before, key],
      )
      .action(async (file: string) => done(await verifyExport(verify, file))),
  )
  return ledger
}

async function showHead(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const asked = { method: 'GET', path: '/api/v1/ledger/heads?limit=1' } as const
  const [head] = (await ask(endpoint, LedgerHeads, asked)).heads
  if (head === undefined) talk.say('nothing is sealed yet')
  else talk.data(JSON.stringify(head))
}

async function exportLedger(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { output } = options(z.object({ output: z.string().optional() }), command)
  const chunks = askChunks(endpoint, { method: 'GET', path: '/api/v1/ledger/export' })
  if (output === undefined) return pipeline(Readable.from(chunks), process.stdout, { end: false })
  await writeDurably(output, chunks, 0o644)
  talk.say(`written to ${output}; xeenet ledger verify ${output} checks it`)
}

const VerifyOptions = z.object({
  json: z.boolean().default(false),
  head: z.string().optional(),
  key: z.array(z.string()).optional(),
})

async function verifyExport(command: Command, file: string): Promise<number> {
  const given = options(VerifyOptions, command)
  const talk = openTalk(given.json)
  const publicKeys = (await Promise.all((given.key ?? []).map(keysIn))).flat()
  const head = given.head === undefined ? undefined : await headOf(given.head, publicKeys)
  const check = checkLedger({ hash: sha256, head, publicKeys })
  for await (const line of linesOf(file)) check.line(line)
  const verdict = await check.end()
  talk.data(talk.json ? JSON.stringify(verdict) : verdictLines(verdict, head).join('\n'))
  return verdict.ok ? EXIT.ok : EXIT.failure
}

async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    if (isMissing(error)) throw usage(`${file}: there is no such file`)
    throw error
  }
}

const sha256: Hash = bytes => hash('sha256', bytes, 'buffer')

async function keysIn(given: string): Promise<string[]> {
  const text = PublicKeyText.safeParse(given).data ?? (await readIfThere(given))?.toString().trim()
  const key = PublicKeyText.safeParse(text)
  if (key.success) return [key.data]
  const list = SigningKeyList.safeParse(parseJson(text))
  if (list.success) return list.data.keys.map(({ publicKey }) => publicKey)
  throw usage(
    `--key ${given}: no public key, and no file with one`,
    'GET /api/v1/signing-keys names them: xeenet api GET /api/v1/signing-keys > keys.json',
  )
}

/** What `xeenet ledger head` prints, the list of heads, and the summary, which has one beside its other figures. */
const HeadText = z.union([LedgerHead, LedgerHeads, z.object({ head: LedgerHead })])

function headIn(found: z.infer<typeof HeadText>): LedgerHead | undefined {
  if ('head' in found) return found.head
  return 'heads' in found ? found.heads[0] : found
}

/** A head by its hash, or whole; one that is whole must be sound by itself. */
async function headOf(given: string, publicKeys: readonly string[]): Promise<LedgerHead | Sha256> {
  const byHash = Sha256.safeParse(given.trim())
  if (byHash.success) return byHash.data
  const text = given.trim().startsWith('{') ? given : (await readIfThere(given))?.toString().trim()
  const inFile = Sha256.safeParse(text)
  if (inFile.success) return inFile.data
  const parsed = HeadText.safeParse(parseJson(text))
  const head = parsed.success ? headIn(parsed.data) : undefined
  if (head === undefined)
    throw usage(`--head: ${given.slice(0, 60)}: no head`, 'xeenet ledger head prints one.')
  const { statement, hash: name, signature } = head
  if (hashOf(statement, sha256) !== name) throw usage('--head: its hash is not that of what it states')
  const bytes = statementBytes(statement)
  const good = await Promise.all(publicKeys.map(key => verifyBytes(key, bytes, signature)))
  if (good.length > 0 && !good.includes(true)) throw usage('--head: no key that was given signed it')
  return head
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined // the caller says what was expected
  }
}

function verdictLines(verdict: LedgerVerdict, head: LedgerHead | Sha256 | undefined): string[] {
  const { blocks, rows, problems, end, signatures } = verdict
  const size = `${rows} rows in ${blocks} blocks`
  if (!verdict.ok) return [`${size}: NOT as they were sealed`, ...problems.map(problemLine)]
  const last =
    verdict.head === null ? 'nothing is sealed' : `block ${verdict.head.number}, ${verdict.head.hash}`
  return [
    `${size}: as they were sealed`,
    end === 'proven' ? `the end is proven: ${last}` : `the end is UNPROVEN: ${last}. ${whyUnproven(head)}`,
    signatures === 'checked'
      ? 'every block is signed by such a key'
      : 'signatures were not checked: give --key',
  ]
}

const whyUnproven = (head: LedgerHead | Sha256 | undefined): string =>
  head === undefined
    ? 'Rows may be missing after it, and all may have been rewritten: give --head, from somebody who kept one.'
    : 'The head that was given is of an earlier block: only what is up to it is proven.'

function problemLine({ code, block, row, detail }: LedgerProblem): string {
  const place = [...(block === null ? [] : [`block ${block}`]), ...(row === null ? [] : [`row ${row}`])]
  return `  ${place.join(', ')}: ${detail} (${code})`
}
