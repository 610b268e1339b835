/**
 * The Cedar schema: every principal, object, action and fact that a policy may speak of.
 *
 * Each set has its own schema, which differs in who the principal is: a policy in `agent.cedar` that
 * speaks of a person's groups can never apply, and is refused when it is loaded. Every MCP method is an
 * action; one that is not listed here is refused (`isAction`).
 */

import type { SetName } from './policy-set.ts'

/** MCP methods: what each is asked of, and the group that policies can name it by. */
const METHODS: Readonly<
  Record<string, { readonly on: readonly string[]; readonly group: string }>
> = {
  'tools/call': { on: ['Tool'], group: 'use' },
  'resources/read': { on: ['Resource'], group: 'use' },
  'resources/subscribe': { on: ['Resource'], group: 'use' },
  'resources/unsubscribe': { on: ['Resource'], group: 'use' },
  'prompts/get': { on: ['Prompt'], group: 'use' },
  'completion/complete': { on: ['Prompt', 'Resource'], group: 'use' },
  'tasks/get': { on: ['Tool'], group: 'task' },
  'tasks/result': { on: ['Tool'], group: 'task' },
  'tasks/update': { on: ['Tool'], group: 'task' },
  'tasks/cancel': { on: ['Tool'], group: 'task' },
  initialize: { on: ['Server'], group: 'browse' },
  ping: { on: ['Server'], group: 'browse' },
  'server/discover': { on: ['Server'], group: 'browse' },
  'tools/list': { on: ['Server'], group: 'browse' },
  'resources/list': { on: ['Server'], group: 'browse' },
  'resources/templates/list': { on: ['Server'], group: 'browse' },
  'prompts/list': { on: ['Server'], group: 'browse' },
  'tasks/list': { on: ['Server'], group: 'browse' },
  'subscriptions/listen': { on: ['Server'], group: 'browse' },
  'logging/setLevel': { on: ['Server'], group: 'browse' },
  // What a server asks of the client behind the agent.
  'elicitation/create': { on: ['Server'], group: 'callback' },
  'sampling/createMessage': { on: ['Server'], group: 'callback' },
  'roots/list': { on: ['Server'], group: 'callback' },
}

/** Operations of the administration API: the same table for people. */
const OPERATIONS: typeof METHODS = {
  ...all(['session.show', 'session.end'], 'Installation', 'look'),
  ...all(['person.list', 'group.list', 'archetype.list', 'agent.list'], 'Installation', 'look'),
  ...all(
    ['server.list', 'policy.show', 'delegation.list', 'approval.list', 'attention.list'],
    'Installation',
    'look',
  ),
  ...all(['person.create', 'person.deactivate', 'person.reactivate'], 'Installation', 'manage'),
  ...all(['person.manager', 'person.code', 'group.create', 'group.add'], 'Installation', 'manage'),
  ...all(['group.remove', 'group.rotation'], 'Installation', 'manage'),
  ...all(['archetype.create', 'owner.assign'], 'Installation', 'manage'),
  ...all(['server.register', 'server.observe', 'server.review'], 'Installation', 'manage'),
  ...all(['server.change', 'server.withdraw', 'server.credential'], 'Installation', 'manage'),
  ...all(['policy.activate'], 'Installation', 'manage'),
  ...all(['policy.propose', 'policy.dry-run', 'policy.review'], 'Installation', 'manage'),
  ...all(['policy.rollback', 'policy.mode', 'key.rotate'], 'Installation', 'manage'),
  ...all(['policy.history', 'policy.version'], 'Installation', 'look'),
  ...all(['policy.simulate', 'policy.reach'], 'Installation', 'audit'),
  ...all(['log.entries', 'log.receipt', 'log.cosign'], 'Installation', 'audit'),
  ...all(['log.story'], 'Delegation', 'audit'),
  ...all(['agent.create', 'delegation.create', 'connection.create'], 'Installation', 'begin'),
  ...all(
    ['connection.list', 'agency.show', 'budget.show', 'template.list'],
    'Installation',
    'look',
  ),
  // Whoever answers for the archetype, and nobody else, turns its dial and sets its budget:
  // delegation/ sees to that.
  ...all(['agency.set', 'budget.set', 'template.keep', 'template.remove'], 'Installation', 'begin'),
  ...all(['scope.propose'], 'Installation', 'begin'),
  ...all(['agent.show'], 'Agent', 'look'),
  ...all(['agent.suspend', 'agent.resume', 'agent.end'], 'Agent', 'hold'),
  ...all(['delegation.show'], 'Delegation', 'audit'),
  ...all(['delegation.suspend', 'delegation.resume', 'delegation.revoke'], 'Delegation', 'hold'),
  // A connection is its standing delegation.
  ...all(['connection.end'], 'Delegation', 'hold'),
  ...all(['delegation.stage', 'delegation.complete'], 'Delegation', 'direct'),
  ...all(['approval.show', 'approval.decide'], 'Approval', 'approve'),
  ...all(['conversation.create'], 'Installation', 'begin'),
  ...all(['conversation.list'], 'Installation', 'look'),
  ...all(['conversation.show', 'conversation.say'], 'Conversation', 'attend'),
  ...all(['conversation.ask'], 'Conversation', 'ask'),
  ...all(['conversation.invite', 'conversation.remove'], 'Conversation', 'convene'),
  ...all(['conversation.verify'], 'Conversation', 'audit'),
}

function all(ids: readonly string[], on: string, group: string): typeof METHODS {
  return Object.fromEntries(ids.map((id) => [id, { on: [on], group }]))
}

/** Whose policies a set holds. */
const PRINCIPAL: Readonly<Record<SetName, string>> = {
  agent: 'Agent',
  person: 'Person',
  intent: 'Delegation',
  guardrail: 'Agent',
  administration: 'Person',
}

const PRINCIPALS = `
entity Group;
entity Person in [Group];
entity Archetype;
entity Agent in [Archetype];
`

const CALLS = `
// How many delegations stand above this one; a person's own has depth 0.
entity Delegation = { depth: Long };

// What it can do at worst, as the reviewer classed it.
entity ToolClass enum ["read", "write", "egress", "destructive", "money"];
// Where its program runs: "T1" or "T0" of the sandbox, "remote" where we only reach it, "none" if it cannot here.
entity Server = { reviewed: Bool, consequential: Bool, tier: String };
entity Tool in [Server, ToolClass] = {
  name: String, reviewed: Bool, consequential: Bool, tier: String
};
entity Resource in [Server, ToolClass] = {
  uri: String, reviewed: Bool, consequential: Bool, tier: String
};
entity Prompt in [Server, ToolClass] = {
  name: String, reviewed: Bool, consequential: Bool, tier: String
};

type Call = {
  now: datetime,
  // The delegating person, the agent that acts, the length of the act chain.
  person: Person,
  agent: Agent,
  chain: Long,
  // Authentication context of the person (RFC 9470): "session" or "passkey".
  acr: String,
  // How the token is bound to its holder: "dpop", "mtls" or "none".
  boundBy: String,
  // Absent when the delegation has no stages.
  stage?: String,
  // Values at declared sinks; those that stand in nothing trusted; the hosts among them.
  sinks: Set<String>,
  ungrounded: Set<String>,
  hosts: Set<String>,
  // Links and names among the ungrounded that stand nowhere at all: made up, or put together.
  unseen: Set<String>,
  // Whether an amount stands in nothing trusted.
  amountUngrounded: Bool,
  // Whether the arguments carry something of a confidential segment.
  confidential: Bool,
  // What the archetypes' owners set for tools of this class: "always", "strict", "doubt" or "never" ask.
  agency: String,
  // The greatest amount at a declared sink, without its sign.
  amount?: decimal,
  intent: {
    action: Bool, arguments: Bool, stage: Bool, sinks: Bool,
    // Who must say yes: grp_… or per_….
    approver?: String
  },
  // A yes to exactly this call: by whom, who was entitled to it, and whether it is the delegating person's
  // own, or of one whose words directed the call.
  approval?: { by: String, entitled: String, own: Bool }
};
`

const ADMINISTRATION = `
entity Installation;
entity Agent;
entity Delegation;
entity Approval;
entity Conversation;

type Operation = {
  now: datetime,
  // Authentication context of the session: "session" or "passkey".
  acr: String,
  // Delegated by this person, or an agent this person answers for.
  own: Bool,
  // Answers for the agent that a delegation is for.
  answers: Bool,
  // Among those who may move the delegation's stage.
  mover: Bool,
  // Entitled to decide this approval.
  entitled: Bool,
  // In this conversation: "owner", "lead", "member", "guest" or "none".
  role: String
};
`

/** The schema of one set, in Cedar's own syntax. */
export function schemaText(set: SetName): string {
  if (set === 'administration') {
    const people = PRINCIPALS.split('\n').filter((line) => /Group;|Person/.test(line))
    return [...people, ADMINISTRATION, ...actions(OPERATIONS, 'Person', 'Operation')].join('\n')
  }
  return [PRINCIPALS, CALLS, ...actions(METHODS, PRINCIPAL[set], 'Call')].join('\n')
}

function actions(table: typeof METHODS, principal: string, context: string): string[] {
  const groups = new Set(Object.values(table).map(({ group }) => group))
  return [
    ...[...groups].map((group) => `action "${group}";`),
    ...Object.entries(table).map(
      ([id, { on, group }]) =>
        `action "${id}" in ["${group}"] appliesTo { principal: [${principal}], resource: [${on.join(', ')}], context: ${context} };`,
    ),
  ]
}

/** The group that an action is in; `undefined` for what is no action on this type. */
export function actionGroup(action: string, resourceType: string): string | undefined {
  const table = [METHODS, OPERATIONS].find((rows) => Object.hasOwn(rows, action))
  const row = table?.[action]
  return row?.on.includes(resourceType) ? row.group : undefined
}

/** Every operation of the administration API that policy knows. */
export const OPERATION_NAMES: readonly string[] = Object.keys(OPERATIONS)
/** Every MCP method that policy knows. */
export const METHOD_NAMES: readonly string[] = Object.keys(METHODS)
/** The group that each action and operation is in. */
export const ACTION_GROUPS: ReadonlyMap<string, string> = new Map(
  [...Object.entries(METHODS), ...Object.entries(OPERATIONS)].map(([id, { group }]) => [id, group]),
)
