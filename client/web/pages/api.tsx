import { get, useResource } from '../data.ts'
import { useTitle } from '../title.ts'
import { Scroll, Shown } from '../ui/parts.tsx'

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
            <Scroll label="Operations">
              <table>
                <tbody>
                  {Object.entries(paths).flatMap(([path, methods]) =>
                    Object.entries(methods).map(([method, { summary }]) => (
                      <tr key={`${method} ${path}`}>
                        <td class="mono">{method.toUpperCase()}</td>
                        <td class="mono">{path}</td>
                        <td>{summary}</td>
                      </tr>
                    )),
                  )}
                </tbody>
              </table>
            </Scroll>
            <h2>Problems</h2>
            <p>Every refusal is an RFC 9457 problem with one of these codes.</p>
            <Scroll label="Problems">
              <table>
                <tbody>
                  {Object.entries(problems).map(([code, { status, title, hint }]) => (
                    <tr key={code}>
                      <td class="mono">{code}</td>
                      <td class="n">{status}</td>
                      <td>{title}</td>
                      <td>{hint}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          </>
        )}
      </Shown>
    </>
  )
}
