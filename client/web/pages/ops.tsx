import type { SymptomsView } from '#protocol/operator.ts'
import { call, isAllowed, TokenField, token } from '../bearer.tsx'
import { useResource } from '../data.ts'
import { query } from '../router.ts'
import { useTitle } from '../title.ts'
import { Command, command } from '../ui/command.tsx'
import { Empty, Shown } from '../ui/parts.tsx'
import { LettersTab } from './ops-letters.tsx'
import { LinksTab } from './ops-links.tsx'
import { ActsTab, AlertsTab, AppealsTab, ErrorsTab, KernelsTab, LimitsTab } from './ops-lists.tsx'
import { HostsTab, ResultsTab, SuspectsTab, UsersTab } from './ops-rows.tsx'
import { Symptoms } from './ops-symptoms.tsx'

const TABS = {
  '': 'Symptoms',
  errors: 'Errors',
  letters: 'Given up on',
  results: 'Results',
  suspects: 'Suspicious hosts',
  hosts: 'Hosts',
  appeals: 'Appeals',
  alerts: 'Alerts',
  users: 'Users',
  links: 'Enrolment links',
  kernels: 'Kernels',
  limits: 'Limits',
  log: 'Audit log',
} as const
type Tab = keyof typeof TABS

const isTab = (name: string): name is Tab => name in TABS

/** What is wrong with this server, why, and what to do: for its operators. */
export function OpsPage() {
  useTitle('Operator console')
  return (
    <>
      <h1>Operator console</h1>
      {!isAllowed('admin') ? (
        <>
          <Empty>
            Only operators see this. Make a token, on the server's machine:{' '}
            <Command line={command('admin user token NAME --scope admin')} />
          </Empty>
          <TokenField scope="admin" />
        </>
      ) : (
        <Console />
      )}
    </>
  )
}

const REFRESH_MS = 5_000

function Console() {
  const symptoms = useResource(token.value, () => call<SymptomsView>('GET', '/operator/symptoms'), REFRESH_MS)
  const name = query.value.get('tab') ?? ''
  const tab = isTab(name) ? name : ''
  return (
    <>
      {token.value !== '' && (
        <p class="row">
          <button type="button" onClick={() => (token.value = '')}>
            Forget the token
          </button>
        </p>
      )}
      <nav class="tabs" aria-label="Console">
        {Object.entries(TABS).map(([key, label]) => (
          <a
            key={key}
            href={key === '' ? '/ops' : `/ops?tab=${key}`}
            {...(key === tab ? { 'aria-current': 'page' as const } : {})}
          >
            {label}
          </a>
        ))}
      </nav>
      {tab === '' ? (
        <Shown from={symptoms} what="the symptoms">
          {view => <Symptoms of={view} />}
        </Shown>
      ) : (
        <TabOf tab={tab} />
      )}
    </>
  )
}

function TabOf({ tab }: { tab: Exclude<Tab, ''> }) {
  switch (tab) {
    case 'errors':
      return <ErrorsTab />
    case 'letters':
      return <LettersTab />
    case 'links':
      return <LinksTab />
    case 'results':
      return <ResultsTab />
    case 'suspects':
      return <SuspectsTab />
    case 'hosts':
      return <HostsTab />
    case 'appeals':
      return <AppealsTab />
    case 'alerts':
      return <AlertsTab />
    case 'users':
      return <UsersTab />
    case 'kernels':
      return <KernelsTab />
    case 'limits':
      return <LimitsTab />
    case 'log':
      return <ActsTab />
  }
}
