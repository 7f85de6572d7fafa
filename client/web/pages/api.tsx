import { get, useResource } from '../data.ts'
import { useTitle } from '../title.ts'
import { Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly summary?: string }>>>>
  readonly 'x-problem-codes'?: Readonly<
    Record<string, { readonly status: number; readonly title: string; readonly hint: string }>
  >
}

/** The API as its own OpenAPI document tells it. */
export function ApiPage() {
  useTitle('API')
  const document = useResource('openapi', () => get<Document>('/openapi.json'))
  return (
    <>
      <h1>API</h1>
      <p>
        JSON over HTTP, described by <a href="/api/v1/openapi.json">an OpenAPI 3.1 document</a>. Reading needs
        no account.
      </p>
      <Shown from={document} what="the document">
        {({ paths, 'x-problem-codes': problems = {} }) => (
          <>
            <Table
              label="Operations"
              columns={['method', 'path', 'what it does']}
              rows={Object.entries(paths).flatMap(([path, methods]) =>
                Object.entries(methods).map(([method, { summary }]) => ({
                  key: `${method} ${path}`,
                  cells: [<code key="m">{method.toUpperCase()}</code>, <code key="p">{path}</code>, summary],
                })),
              )}
            />
            <h2>Problems</h2>
            <p>Every refusal is an RFC 9457 problem with one of these codes.</p>
            <Table
              label="Problems"
              columns={['code', { name: 'status', isNumber: true }, 'title', 'what to do']}
              rows={Object.entries(problems).map(([code, { status, title, hint }]) => ({
                key: code,
                cells: [<code key="c">{code}</code>, status, title, hint],
              }))}
            />
          </>
        )}
      </Shown>
    </>
  )
}
