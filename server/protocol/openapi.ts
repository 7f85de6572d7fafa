import { z } from 'zod'
import { ACCOUNT_OPERATIONS } from './account-operations.ts'
import {
  InvitationBody,
  InvitationList,
  LoginBody,
  NewInvitation,
  PasswordBody,
  RevokedReply,
  RevokeSessionsBody,
  SessionList,
  SessionView,
  SignUpBody,
} from './accounts.ts'
import { ActBody, ActList, ActView, PreviewBody, PreviewView, UndoBody } from './acts.ts'
import { AnalysisView } from './analysis.ts'
import { BoardList } from './boards.ts'
import {
  CampaignFile,
  CampaignList,
  CampaignView,
  Leaderboard,
  LedgerSummary,
  MeView,
  ResultView,
  ServerView,
  ValidateReply,
} from './campaign.ts'
import { CAMPAIGN_OPERATIONS } from './campaign-operations.ts'
import { CAMPAIGN_SCHEMA_PATH } from './campaign-schema.ts'
import { CorpusList, CorpusRow, CorpusView, SimilarView } from './corpus.ts'
import { CORPUS_OPERATIONS } from './corpus-operations.ts'
import { PriceList, Receipt } from './credits.ts'
import { DatasetManifest } from './dataset.ts'
import {
  DeviceBody,
  DeviceDecideBody,
  DeviceLookBody,
  DeviceStart,
  DeviceToken,
  DeviceTokenBody,
  DeviceView,
} from './devices.ts'
import { DryRun } from './dry-run.ts'
import { EventList, WaitReply } from './events.ts'
import { ExperimentView, ProposeBody, ProposeReply } from './experiments.ts'
import { ExploreView } from './explore.ts'
import { ExportBody, ExportList, ExportManifest, ExportView } from './exports.ts'
import { HomeView } from './home.ts'
import { EnrolBody, EnrolReply, HostView } from './host.ts'
import { HOST_OPERATIONS } from './host-operations.ts'
import { HostResultList, HostTicks } from './host-results.ts'
import { InteractionView } from './interaction.ts'
import { SigningKeyList } from './kernel.ts'
import { KERNEL_OPERATIONS } from './kernel-operations.ts'
import { KeyBody, KeyList, KeyView, NewKey } from './keys.ts'
import { LedgerBlock, LedgerHeads } from './ledger.ts'
import { DatasetList, KernelList, WorkUnitList } from './lists.ts'
import { NoteBody, NoteList, NoteView } from './notes.ts'
import { type Operation, page } from './operation.ts'
import {
  AlertList,
  AppealList,
  ErrorsView,
  HostRows,
  LetterList,
  LimitsView,
  ResultRows,
  SuspectList,
  SymptomsView,
  UserRows,
} from './operator.ts'
import { OPERATOR_OPERATIONS } from './operator-operations.ts'
import {
  ActionList,
  AppealBody,
  ChangedHost,
  ClaimBody,
  ClaimReply,
  DeleteBody,
  DeletedReply,
  ExclusionView,
  RenameBody,
} from './people.ts'
import { Problem } from './problem.ts'
import { AdmitBody, ProposalList, ProposalView, RejectBody } from './proposals.ts'
import { ReportView } from './report-view.ts'
import { RESEARCH_OPERATIONS } from './research-operations.ts'
import { ReviseBody, RevisionList, RevisionView, StopBody } from './revisions.ts'
import { HostReport, SchedulerBody, SchedulerReply, UploadReply } from './scheduler.ts'
import { ScienceList } from './science.ts'
import { SearchView } from './search.ts'
import { SpentView } from './spent.ts'
import { AgreementView } from './study.ts'
import { CompareView, TestList } from './tests.ts'
import { CampaignTicks, TickList } from './ticks.ts'
import { WEBHOOK_OPERATIONS } from './webhook-operations.ts'
import {
  DeliveryList,
  DeliveryView,
  WebhookBody,
  WebhookList,
  WebhookMade,
  WebhookRemoved,
  WebhookView,
} from './webhooks.ts'
import { EnrolChallenge } from './work.ts'

/** Every schema of the wire by name. */
export const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  ...{
    CampaignFile,
    CampaignList,
    CampaignView,
    CorpusRow,
    DatasetList,
    DatasetManifest,
    EnrolBody,
    EnrolChallenge,
    EnrolReply,
  },
  ...{
    HostReport,
    HostResultList,
    HostTicks,
    HostView,
    KernelList,
    Leaderboard,
    LedgerSummary,
    MeView,
    Problem,
    ResultView,
    SchedulerBody,
  },
  ...{ LedgerBlock, LedgerHeads, PriceList, Receipt },
  ...{ CompareView, InteractionView, NoteBody, NoteList, NoteView, TestList },
  ...{ SchedulerReply, ServerView, UploadReply, ValidateReply, WorkUnitList },
  ...{ ActionList, AppealBody, ClaimBody, ClaimReply, DeletedReply, ExclusionView },
  ...{ ChangedHost, DeleteBody, RenameBody },
  ...{ ReviseBody, RevisionList, RevisionView, StopBody },
  ...{ AgreementView, CorpusList, CorpusView, ScienceList, SimilarView },
  ...{ DeliveryList, DeliveryView, WebhookBody, WebhookList, WebhookMade, WebhookRemoved, WebhookView },
  ...{ AnalysisView, BoardList, EventList, ExploreView, ReportView },
  ...{ ExportBody, ExportList, ExportManifest, ExportView },
  ...{ DryRun, WaitReply },
  ...{ DeviceBody, DeviceDecideBody, DeviceLookBody, DeviceStart, DeviceToken, DeviceTokenBody, DeviceView },
  ...{ InvitationBody, InvitationList, LoginBody, NewInvitation, PasswordBody },
  ...{ RevokedReply, RevokeSessionsBody, SessionList, SessionView, SignUpBody },
  ...{ KeyBody, KeyList, KeyView, NewKey },
  ...{ ExperimentView, ProposeBody, ProposeReply, SearchView },
  ...{ AdmitBody, ProposalList, ProposalView, RejectBody, SigningKeyList },
  ...{ ActBody, ActList, ActView, PreviewBody, PreviewView, UndoBody },
  ...{ AlertList, AppealList, ErrorsView, HostRows, LetterList, LimitsView, ResultRows },
  ...{ CampaignTicks, HomeView, SpentView, SuspectList, SymptomsView, TickList, UserRows },
  Health: z.object({ ok: z.literal(true) }),
}

/** Every address of the server; a test holds it against the routes. */
export const OPERATIONS: readonly Operation[] = [
  { method: 'get', path: '/healthz', summary: 'The process lives', reply: 'Health' },
  { method: 'get', path: '/readyz', summary: 'The process may be given callers', reply: 'Health' },
  { method: 'get', path: '/metrics', summary: 'Figures in the text format of Prometheus', reply: 'text' },
  { method: 'get', path: '/openapi.json', summary: 'This document', reply: 'text' },
  { method: 'get', path: '/api/v1/openapi.json', summary: 'This document', reply: 'text' },
  {
    method: 'get',
    path: CAMPAIGN_SCHEMA_PATH,
    summary: 'The JSON Schema of a campaign file, for editors',
    reply: 'text',
  },
  {
    method: 'get',
    path: '/api/v1/server',
    summary: 'The server, its keys, kernels and data',
    reply: 'ServerView',
  },
  {
    ...{ method: 'get', path: '/api/v1/signing-keys', reply: 'SigningKeyList' },
    summary: "The operator's keys since the first one, and the word of each for the next",
  },
  ...HOST_OPERATIONS,
  {
    ...{ method: 'get', path: '/api/v1/stream', security: 'anybody', reply: 'text' },
    summary:
      'What happens, as Server-Sent Events: home, campaigns, experiments, hosts, the account of a token',
    ...{ query: ['topics', 'after'], headers: ['last-event-id'] },
  },
  {
    ...{ method: 'get', path: '/api/v1/actions', security: 'anybody', reply: 'ActionList', query: page },
    summary: 'What was done to volunteers, newest first; everything for operators',
  },
  {
    ...{ method: 'get', path: '/api/v1/contributors', security: 'anybody', reply: 'BoardList' },
    summary: 'Volunteers by what they gave: contribution, recent, impact',
    query: [...page, 'board', 'via', 'span'],
  },
  {
    ...{ method: 'post', path: '/api/v1/scheduler', summary: 'Report, ask for work, hear what changed' },
    ...{ security: 'host', body: 'SchedulerBody', reply: 'SchedulerReply', headers: ['xeenet-reports'] },
  },
  {
    method: 'get',
    path: '/api/v1/files/{sha256}',
    summary: 'Bytes by their hash, in ranges',
    reply: 'bytes',
    also: [206],
  },
  {
    ...{ method: 'put', path: '/api/v1/files/{sha256}', summary: 'Upload an artifact that was asked for' },
    ...{ security: 'host', body: 'bytes', reply: 'UploadReply', headers: ['content-range'] },
  },
  ...KERNEL_OPERATIONS,
  { method: 'get', path: '/api/v1/datasets', summary: 'Data sets', reply: 'DatasetList' },
  {
    method: 'get',
    path: '/api/v1/datasets/{name}',
    summary: 'One data set, name@version',
    reply: 'DatasetManifest',
  },
  ...CAMPAIGN_OPERATIONS,
  ...RESEARCH_OPERATIONS,
  ...WEBHOOK_OPERATIONS,
  ...CORPUS_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...OPERATOR_OPERATIONS,
  {
    ...{ method: 'get', path: '/api/v1/results/{id}', reply: 'ResultView' },
    summary: 'A published result, by its id or that of its work unit or experiment',
  },
  {
    ...{ method: 'get', path: '/api/v1/results/{id}/receipt', reply: 'Receipt' },
    summary: 'What a result earned: fuel, price, level, transfers and their blocks',
  },
  { method: 'get', path: '/api/v1/me', summary: 'Who a token belongs to', security: 'user', reply: 'MeView' },
  {
    ...{ method: 'delete', path: '/api/v1/me', security: 'user', reply: 'DeletedReply' },
    ...{ body: 'DeleteBody', bodyOptional: true },
    summary: 'Delete the account of a token',
  },
  {
    ...{ method: 'get', path: '/api/v1/keys', security: 'user', reply: 'KeyList' },
    summary: 'The API keys of an account, newest first',
  },
  {
    ...{ method: 'post', path: '/api/v1/keys', security: 'user', body: 'KeyBody', reply: 'NewKey' },
    headers: ['idempotency-key'],
    ...{ summary: 'Make an API key; its text is shown this once', status: 201 },
  },
  {
    ...{ method: 'post', path: '/api/v1/keys/{id}/revoke', security: 'user', reply: 'KeyView' },
    summary: 'End an API key',
  },
  {
    method: 'get',
    path: '/api/v1/ledger/summary',
    summary: 'Balances, and that they sum to zero',
    reply: 'LedgerSummary',
  },
  {
    ...{ method: 'get', path: '/api/v1/spent', reply: 'SpentView' },
    summary: 'What was computed here, its core-hours, and an estimate of its watt-hours',
  },
  {
    ...{ method: 'get', path: '/api/v1/home', reply: 'HomeView' },
    summary: 'What the first page shows: what is asked, what was found, whom we thank',
  },
  {
    ...{ method: 'get', path: '/api/v1/ticks', reply: 'TickList' },
    summary: 'When runs became public in the last hour, by campaign, and how many hosts were heard',
  },
  { method: 'get', path: '/api/v1/prices', summary: 'What work is worth', reply: 'PriceList' },
  {
    ...{ method: 'get', path: '/api/v1/ledger/heads', summary: 'Signed heads of the chain, newest first' },
    ...{ reply: 'LedgerHeads', query: ['limit', 'before'] },
  },
  {
    ...{ method: 'get', path: '/api/v1/ledger/blocks/{number}', summary: 'A block and its rows' },
    reply: 'LedgerBlock',
  },
  {
    ...{ method: 'get', path: '/api/v1/ledger/export', summary: 'Every sealed row: a LedgerLine a line' },
    reply: 'text',
  },
]
