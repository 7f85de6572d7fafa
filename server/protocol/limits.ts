/** Every limit of the wire and of a run, with the relations between them asserted below. */

export const PROTOCOL_VERSION = 1

// One round trip carries at most what a host may hold.
export const LEASES_PER_CALL_MAX = 16
export const REPORTS_PER_CALL_MAX = 16
/** Files of its cache that a host names in a call: those of the last few campaigns. */
export const FILES_TOLD_MAX = 16
/** Leases a host without a streak may hold, whatever its cores. */
export const LEASES_UNTRUSTED_MAX = 2
/** A host may hold this many leases per core: one that runs, one that waits for it. */
export const LEASES_PER_CORE_MAX = 2
export const CORES_MAX = 256
export const MEMORY_MIB_MAX = 16 * 1024 * 1024

/** The kernel's output, and the report made from it. */
export const OUTPUT_BYTES_MAX = 64 * 1024
/** JSON inside JSON grows: a report of quotes and backslashes doubles. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024
export const CAMPAIGN_BYTES_MAX = 256 * 1024
export const FILE_BYTES_MAX = 256 * 1024 * 1024
/** A piece of an upload is held in memory until its signature was checked. */
export const UPLOAD_CHUNK_BYTES_MAX = 4 * 1024 * 1024
/** Data of one slot of a self-test; (i·(i + 8)) stays below 2³¹. */
export const SELF_TEST_BYTES_MAX = 32 * 1024
export const JOB_BYTES_MAX = 16 * 1024
export const NAME_CHARS_MAX = 60
export const CLIENT_CHARS_MAX = 60
export const TITLE_CHARS_MAX = 200
export const DETAIL_CHARS_MAX = 500

/** A run may be cut short at the end of a rung; the last one is the whole run. */
export const RUNGS_OF_RUN = 4
export const CURVE_POINTS_MAX = 64
/** Of trained weights: a few kilobytes of a report, however large the model. */
export const FINGERPRINT_BLOCKS_MAX = 16
export const FINGERPRINT_PROJECTIONS = 4
/** No machine trains one model this fast; a rate is a host's own word. */
export const FLOPS_PER_SECOND_MAX = 1e18
/** Larger than any loss, small enough that the squares of a thousand of them add up to a double. */
export const METRIC_ABS_MAX = 1e100
/** Marks of a trace; mark k is taken at the first step boundary with fuelUsed ≥ k·fuel/8. */
export const MARKS = 8
/** Above this no f64 counts exactly; a run this long would take a core month. */
export const FUEL_MAX = 9e15
export const FUEL_MIN = 1e6
export const UPDATES_MAX = 1_000_000
/** What a kernel may spend to write its output, state or artifact: not part of the run, some seconds on a slow host. */
export const QUERY_FUEL = 4e9
/** Seeds are 48 bits, so that JSON carries them exactly. */
export const SEED_MAX = 2 ** 48 - 1
export const MEMORY_PAGES_DEFAULT = 4096 // 256 MiB in pages of 64 KiB
export const MEMORY_PAGES_MAX = 16384 // 1 GiB

/** What admission reads: bounds on a stranger's bytes, so that no module makes it slow. */
export const MODULE_BYTES_MAX = 8 * 1024 * 1024
/** Metering adds a third to the bytes of our own kernels. */
export const METERED_BYTES_MAX = 16 * 1024 * 1024
/** Of one function before metering. */
export const FUNCTION_BYTES_MAX = 1024 * 1024
/** The smallest body limit that the engines' common embedding limits leave us is 7,654,321 bytes. */
export const METERED_BODY_BYTES_MAX = 7_000_000
export const FUNCTIONS_MAX = 16_384
/** Types, globals, exports, segments. The least that the engines' common embedding limits allow is 100,000. */
export const SECTION_ITEMS_MAX = 65_536
/** A call zeroes its locals for one instruction of fuel: this bounds what that hides to 64 KiB. */
export const LOCALS_MAX = 4_096
export const NESTING_MAX = 1_024
export const TABLE_ENTRIES_MAX = 65_536
/** Mutable globals travel with every checkpoint and mark. */
export const GLOBALS_MAX = 1_024
/** The longest call path by estimated frame cost. Browsers give a worker at least 512 KiB of stack. */
export const STACK_BYTES_MAX = 128 * 1024
export const RELEASE_BYTES_MAX = 64 * 1024 * 1024
export const RELEASE_FILES_MAX = 1_000
/** A manifest is parsed and its formulas are evaluated at every campaign; the longest of ours has a sixth of that. */
export const MANIFEST_BYTES_MAX = 64 * 1024
/** A release that a stranger proposes: kept in the database until it is decided on. Ours have a tenth of that. */
export const PROPOSAL_BYTES_MAX = 4 * 1024 * 1024
/** Proposals of one user that wait for a decision, and those submitted within a day. */
export const PROPOSALS_OPEN_MAX = 8
export const PROPOSALS_PER_DAY_MAX = 24
export const PROPOSAL_REASONS_MAX = 32

export const EXPERIMENTS_PER_CAMPAIGN_MAX = 100_000
/** Recipes that somebody outside proposes in one call. */
export const PROPOSED_PER_CALL_MAX = 100
/** Proposals of one campaign that wait for their turn among several proposers: more than that is no proposal but a flood. */
export const PROPOSALS_WAITING_MAX = 1_000
export const SEEDS_PER_EXPERIMENT_MAX = 64
/** Of one owner: nobody reads more at a time, and no one account may fill the sweeps of all. */
export const CAMPAIGNS_OPEN_MAX = 100
/** Planned in the open campaigns of one owner. */
export const EXPERIMENTS_OPEN_MAX = 200_000
/** An edit an hour for a week: what needs more is another campaign. */
export const REVISIONS_MAX = 200
/** Of them those of the agent: each doubles a range at most, and what needs more was asked wrongly. */
export const AGENT_REVISIONS_MAX = 20
export const QUORUM_MAX = 8
/** Fewer pairs of seeds decide nothing: their deviation is hardly known. */
export const PAIRS_MIN = 5
/** A difference that 64 pairs do not settle is too small to matter to the campaign. */
export const PAIRS_MAX = 64
/** Seed indexes from here on are for interactions: those of screening and of tests end far below. */
export const INTERACTION_FIRST_SEED = 1_000_000
/** Fresh runs of a campaign's sequential tests. */
export const TEST_RUNS_MAX = 100_000
export const SPACE_DIMENSIONS_MAX = 32
export const CHOICES_MAX = 64
export const CONSTRAINTS_MAX = 32
export const EXPRESSION_CHARS_MAX = 500
/** Nesting of a condition: more than anybody reads, less than any stack. */
export const EXPRESSION_DEPTH_MAX = 32
/** Draws in a row that a space refuses before a campaign gives up. */
export const REJECTED_DRAWS_MAX = 1_000

/** A lease is never shorter: a laptop that sleeps a moment must not lose its run. Tests and the demo go down to it. */
export const DEADLINE_MS_MIN = 2_000
export const DEADLINE_MS_DEFAULT = 6 * 3600_000
export const DEADLINE_MS_MAX = 14 * 24 * 3600_000

/** How far a host is told to back off when there is nothing to do. */
export const RETRY_AFTER_MS_MAX = 60_000

/** Results a host may take a day: starts here, halves on errors, doubles on valid work up to the cap. */
export const DAILY_QUOTA_START = 2_000
export const DAILY_QUOTA_MAX = 20_000
export const DAILY_QUOTA_MIN = 4

/** Calls that wait for events: each holds a connection and is answered within this time. */
export const WAIT_SECONDS_MAX = 60
export const WAITERS_PER_ADDRESS_MAX = 16
/** Of one process. */
export const WAITERS_MAX = 1_000
/** Server-Sent Events: each stream holds a connection until somebody hangs up. */
export const STREAMS_PER_ADDRESS_MAX = 8
/** Of one process: each costs it memory, and processor time with every event. */
export const STREAMS_MAX = 2_000
export const TOPICS_PER_STREAM_MAX = 16
/** So often a stream says that it lives; who hears nothing for twice as long has lost it. */
export const STREAM_BEAT_MS = 15_000
/** What may wait for a reader; one that is slower is let go and comes back with the id of the last event it read. */
export const STREAM_BUFFER_BYTES_MAX = 256 * 1024
/** Events of one write. At half a kilobyte each they fit into the buffer twice. */
export const STREAM_EVENTS_PER_WRITE_MAX = 100
/** Events that a stream makes up for when it is resumed; who missed more is told to read everything again. */
export const STREAM_RESUME_MAX = 5_000
/** How long it is kept when runs were published: for the rugs of a day and for whoever was away. */
export const TICKS_HOURS = 25
/** Runs that became public within it are one tick of the hour: on a rug of 720 pixels one is three wide. */
export const TICK_SLOT_MS = 15_000
/** As many as a rug has room for. */
export const CAMPAIGN_TICKS_MAX = 240
/** The rug of a host: of so many hours, in slots of which it has room for as many. */
export const HOST_TICKS_HOURS = 24
export const HOST_TICK_SLOT_MS = (HOST_TICKS_HOURS * 3600_000) / CAMPAIGN_TICKS_MAX
/** A call is known by its idempotency key for so long. */
export const IDEMPOTENCY_DAYS = 7
/** API keys of one account, revoked ones among them: one for each agent and script that somebody runs. */
/** Machines that may enrol by one link: a classroom, a rack. */
export const HOSTS_PER_KEY_MAX = 1_000
export const KEYS_PER_ACCOUNT_MAX = 200

/** Letters of a name somebody signs up with; accounts that an operator makes have NAME_CHARS_MAX. */
export const USER_NAME_CHARS_MIN = 2
export const USER_NAME_CHARS_MAX = 40
/** Long enough that it cannot be guessed at the pace we allow; hashing takes the same time for every length. */
export const PASSWORD_CHARS_MIN = 10
export const PASSWORD_CHARS_MAX = 256
export const EMAIL_CHARS_MAX = 254
/** A browser that nobody used for so long is logged out; each is after SESSION_MS, whatever it did. */
export const SESSION_IDLE_MS = 14 * 24 * 3600_000
export const SESSION_MS = 90 * 24 * 3600_000
/** Browsers in which one account is logged in; one more ends the oldest. */
export const SESSIONS_PER_ACCOUNT_MAX = 50
/** Passwords that are hashed at once by a process, 19 MiB each on threads of their own, and calls that wait for that. */
export const HASHES_AT_ONCE_MAX = 2
export const HASHES_WAITING_MAX = 32
/** A machine that asks for a login is given so long; it asks whether it has one at this pace. */
export const DEVICE_MS = 10 * 60_000
export const DEVICE_INTERVAL_MS = 2_000
/** Machines that ask at once: with this many codes of eight letters a guess is right once in two million. */
export const DEVICES_WAITING_MAX = 10_000
export const INVITATION_USES_MAX = 1_000
/** Open ones that one operator made. */
export const INVITATIONS_MAX = 500

export const PAGE_ROWS_MAX = 1_000
/** Points of a plot: parallel coordinates of so many lines take a browser a quarter of a second. */
export const ANALYSIS_POINTS_MAX = 10_000
/** Runs and tests of one experiment on its page: whoever holds the title is run again with each challenger. */
export const EXPERIMENT_ROWS_MAX = 200
/** Rows of each list of an analysis; what is thinned says by how much. */
export const ANALYSIS_ROWS_MAX = 200

/** Recipes that a similar one is looked for among, and how many are shown. A hundred thousand take a second. */
export const SIMILAR_RECIPES_MAX = 100_000
export const SIMILAR_SHOWN_MAX = 50
/** Leaderboards of kernels on a page, rows of each, and of how many of the best runs they are made. */
export const SCIENCE_BOARDS_MAX = 20
export const SCIENCE_ROWS_MAX = 100
export const SCIENCE_RUNS_MAX = 32_000
/** Results that one study computes again: their lines fit into a campaign file, their units into one transaction. */
export const STUDY_ORIGINALS_MAX = 400
/** One file of an export: more than five million runs with short curves as CSV. A larger corpus is exported by campaign. */
export const EXPORT_BYTES_MAX = 4 * 1024 ** 3
/** Exports of a scope that are kept; older ones go after a day. What a finished campaign was exported as stays. */
export const EXPORTS_KEPT = 3

/** A challenge is solved in seconds; a slow phone that sleeps in between still gets there. */
export const CHALLENGE_MS = 10 * 60_000
/** Hash iterations that the work of an enrolment may be set to: from nothing worth naming to hours. */
export const ENROL_WORK_MIN = 16
export const ENROL_WORK_MAX = 1e12

/** A notice is one sentence; a host that was away for long hears the newest. */
export const NOTICES_PER_REPLY_MAX = 8
export const NOTICES_SHOWN_MAX = 20
export const APPEAL_CHARS_MAX = 2_000
export const NOTE_CHARS_MAX = 4_000
export const NOTE_EVIDENCE_MAX = 64
/** A page of notes an hour for years; an agent in a loop hits it. */
export const NOTES_PER_CAMPAIGN_MAX = 10_000
export const WEBHOOKS_PER_USER_MAX = 20
export const WEBHOOK_URL_CHARS_MAX = 2_000
/** From looking up the name to the status line. */
export const WEBHOOK_MS_MAX = 5_000
/** What was sent is listed so long. */
export const WEBHOOK_DELIVERY_DAYS = 30
/** Runs that one question to the corpus looks at, the newest; their groups; and for how long. */
export const EXPLORE_ROWS_MAX = 200_000
export const EXPLORE_GROUPS_MAX = 1_000
export const EXPLORE_MS_MAX = 5_000

/** Work units of one act of an operator, in one transaction of some seconds. */
export const ACT_UNITS_MAX = 5_000
/** Dead letters of one act, and of one list: more is a bug that mends them all, not a case each. */
export const ACT_LETTERS_MAX = 200
/** The console's lines: one sample each so many minutes, over so many hours. */
export const SAMPLE_MINUTES = 10
export const SAMPLES_HOURS = 24
/** What was shown of an act holds so long: a phone call with whom it concerns. */
export const PREVIEW_MS = 10 * 60_000
/** An act can be taken back for so long: later others have built on it. */
export const UNDO_MS = 10 * 60_000
/** How long an exclusion can be appealed; it becomes public when this ends, or with the decision. */
export const APPEAL_DAYS = 14
/** A host whose self-test failed so often since it enrolled computes nothing any more: its owner mends it and enrols it again. */
export const SELF_TESTS_FAILED_MAX = 5
/** What befell a host is read for so long: to its owner, and to who asks why it was excluded. */
export const HOST_EVENT_DAYS = 180
/** A host's words about an error are read by who mends it; afterwards the code of the error is enough. */
export const ERROR_DETAIL_DAYS = 90
/** Weights that came and that nothing published names are evidence, for as long as suspects are looked at and somewhat more. */
export const UNSHOWN_WEIGHTS_DAYS = 120
/** Names of networks are forgotten after this. */
export const PREFIX_DAYS = 30

const relations: readonly (readonly [boolean, string])[] = [
  [USER_NAME_CHARS_MAX <= NAME_CHARS_MAX, 'a name that was signed up with is a name'],
  [SESSION_IDLE_MS <= SESSION_MS, 'a session can be idle for as long as it may'],
  [REPORTS_PER_CALL_MAX <= LEASES_PER_CALL_MAX, 'a host cannot report more than it may be leased'],
  [REPORTS_PER_CALL_MAX * OUTPUT_BYTES_MAX * 2 < BODY_BYTES_MAX, 'a full call fits in a body'],
  [CAMPAIGN_BYTES_MAX < BODY_BYTES_MAX, 'a campaign file fits in a body'],
  [UPLOAD_CHUNK_BYTES_MAX <= FILE_BYTES_MAX, 'a piece is no larger than a file'],
  [PROPOSAL_BYTES_MAX <= RELEASE_BYTES_MAX, 'a proposal is a release'],
  [EXPERIMENTS_PER_CAMPAIGN_MAX <= EXPERIMENTS_OPEN_MAX, 'the largest campaign is allowed'],
  [FUEL_MAX < Number.MAX_SAFE_INTEGER, 'fuel is exact as a number'],
  [
    2 * STREAM_EVENTS_PER_WRITE_MAX * (DETAIL_CHARS_MAX + 500) < STREAM_BUFFER_BYTES_MAX,
    'a reader may be one write behind',
  ],
  [SEED_MAX <= Number.MAX_SAFE_INTEGER, 'seeds are exact as numbers'],
  [MEMORY_PAGES_DEFAULT <= MEMORY_PAGES_MAX, 'the default memory is allowed'],
  [
    DAILY_QUOTA_MIN <= DAILY_QUOTA_START && DAILY_QUOTA_START <= DAILY_QUOTA_MAX,
    'a new host starts inside the quota range',
  ],
]
for (const [holds, claim] of relations) if (!holds) throw new Error(`limits contradict each other: ${claim}`)
