/**
 * The administration API: every operation, one row each (`/api/v1`, ARCHITECTURE.md: wire surface).
 *
 * Read `OPERATIONS` at the end for the table of contents. Shapes are what travels; the owning room
 * parses anything of its own (intent, transports, policies) strictly.
 */

import type * as z from 'zod'
import {
  signIn,
  showSession,
  signOut,
  createPerson,
  listPeople,
  deactivatePerson,
  reactivatePerson,
  assignManager,
  issueCode,
  createGroup,
  listGroups,
  addMember,
  removeMember,
  setRotation,
} from './people.ts'
import {
  createArchetype,
  listArchetypes,
  assignOwner,
  createAgent,
  listAgents,
  showAgent,
  suspendAgent,
  resumeAgent,
  endAgent,
} from './agents.ts'
import {
  registerServer,
  changeServer,
  listServers,
  observeServer,
  reviewServer,
  withdrawServer,
  setCredential,
} from './servers.ts'
import {
  showPolicies,
  proposePolicies,
  listPolicyVersions,
  showPolicyVersion,
  dryRunPolicies,
  reviewPolicies,
  activatePolicies,
  rollBackPolicies,
  setPolicyMode,
  simulatePolicies,
  reachPolicies,
} from './policies.ts'
import {
  delegate,
  subDelegate,
  listDelegations,
  showDelegation,
  moveStage,
  suspendDelegation,
  resumeDelegation,
  completeDelegation,
  revokeDelegation,
  listApprovals,
  showApproval,
  decideApproval,
} from './delegations.ts'
import {
  keepTemplate,
  removeTemplate,
  listTemplates,
  proposeScope,
  setAgency,
  setRefusalBudget,
  showAgency,
  showRefusalBudget,
} from './scopes.ts'
import { listAttention } from './attention.ts'
import { createConnection, listConnections, endConnection } from './connections.ts'
import {
  createConversation,
  listConversations,
  showConversation,
  inviteToConversation,
  removeFromConversation,
  sayInConversation,
  askConversation,
  verifyConversation,
  sayAsAgent,
  answerTurn,
  fetchTurn,
  listTurns,
} from './conversations.ts'
import { logStory, logEntries, logReceipt, logKey, logCosign, rotateKey } from './log.ts'

/** Every operation of the administration API, by the name that `client/` calls it. */
export const OPERATIONS = {
  signIn,
  showSession,
  signOut,
  createPerson,
  listPeople,
  deactivatePerson,
  reactivatePerson,
  assignManager,
  issueCode,
  createGroup,
  listGroups,
  addMember,
  removeMember,
  setRotation,
  createArchetype,
  listArchetypes,
  assignOwner,
  createAgent,
  listAgents,
  showAgent,
  suspendAgent,
  resumeAgent,
  endAgent,
  registerServer,
  changeServer,
  listServers,
  observeServer,
  reviewServer,
  withdrawServer,
  setCredential,
  showPolicies,
  proposePolicies,
  listPolicyVersions,
  showPolicyVersion,
  dryRunPolicies,
  reviewPolicies,
  activatePolicies,
  rollBackPolicies,
  setPolicyMode,
  simulatePolicies,
  reachPolicies,
  delegate,
  subDelegate,
  listDelegations,
  showDelegation,
  moveStage,
  suspendDelegation,
  resumeDelegation,
  completeDelegation,
  revokeDelegation,
  listApprovals,
  showApproval,
  decideApproval,
  listAttention,
  proposeScope,
  keepTemplate,
  removeTemplate,
  listTemplates,
  setAgency,
  showAgency,
  setRefusalBudget,
  showRefusalBudget,
  createConnection,
  listConnections,
  endConnection,
  createConversation,
  listConversations,
  showConversation,
  inviteToConversation,
  removeFromConversation,
  sayInConversation,
  askConversation,
  verifyConversation,
  sayAsAgent,
  answerTurn,
  fetchTurn,
  listTurns,
  logStory,
  logEntries,
  logReceipt,
  logKey,
  logCosign,
  rotateKey,
} as const

/** The name of an operation. */
export type OperationName = keyof typeof OPERATIONS
/** What an operation takes. */
export type Input<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['input']>
/** What an operation takes, after parsing. */
export type Parsed<N extends OperationName> = z.output<(typeof OPERATIONS)[N]['input']>
/** What an operation answers. */
export type Output<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['output']>
