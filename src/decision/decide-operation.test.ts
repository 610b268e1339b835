import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { compilePolicies } from './compile.ts'
import { decideOperation, type OperationRequest } from './decide-operation.ts'

const NONE = { agent: '', person: '', intent: '', guardrail: '' }
const RULES = `
  @id("administrators") permit (principal in Group::"administrators", action in Action::"manage", resource);
  @id("own") permit (principal, action in Action::"direct", resource is Delegation) when { context.own };
  @id("passkey") @require("step_up") forbid (principal, action == Action::"policy.activate", resource)
    unless { context.acr == "passkey" };
  @id("never") forbid (principal, action == Action::"key.rotate", resource);
  @id("errs") forbid (principal, action == Action::"group.create", resource)
    when { 9007199254740991 * 9007199254740991 > 0 };`
const policies = must(compilePolicies({ ...NONE, administration: RULES }))
const request: OperationRequest = {
  person: {
    id: 'per_1',
    handle: 'ada',
    active: true,
    groups: [{ id: 'grp_1', name: 'administrators' }],
  },
  acr: 'session',
  operation: 'person.create',
  target: { type: 'installation' },
  time: 1_767_225_600,
}
const outsider = { ...request.person, groups: [{ id: 'grp_2', name: 'others' }] } as const

const CASES: readonly (readonly [
  name: string,
  changed: Partial<OperationRequest>,
  want: string,
])[] = [
  ['a member of the group', {}, 'permit: administrators'],
  ['somebody else', { person: outsider }, 'deny not_permitted: '],
  ['an inactive member', { person: { ...request.person, active: false } }, 'deny not_active: '],
  ['an operation nobody knows', { operation: 'person.promote' }, 'deny unknown_operation: '],
  ['an inherited name', { operation: 'toString' }, 'deny unknown_operation: '],
  ['a call of MCP', { operation: 'tools/call' }, 'deny unknown_operation: '],
  ['an operation on something else', { operation: 'delegation.stage' }, 'deny unknown_operation: '],
  [
    "one's own delegation",
    {
      person: outsider,
      operation: 'delegation.stage',
      target: { type: 'delegation', id: 'dlg_1', own: true },
    },
    'permit: own',
  ],
  [
    "another's delegation",
    { operation: 'delegation.stage', target: { type: 'delegation', id: 'dlg_1', own: false } },
    'deny not_permitted: ',
  ],
  ['a step-up', { operation: 'policy.activate' }, 'step_up step_up_required: passkey'],
  ['after the step-up', { operation: 'policy.activate', acr: 'passkey' }, 'permit: administrators'],
  [
    'no step-up for whom it would not help',
    { operation: 'policy.activate', person: outsider },
    'deny not_permitted: ',
  ],
  ['a forbid', { operation: 'key.rotate' }, 'deny forbidden: never'],
  ['a forbid that errs', { operation: 'group.create' }, 'deny policy_error: errs'],
]

for (const [name, changed, want] of CASES) {
  test(`${name}: ${want}`, () => {
    const {
      outcome,
      reason,
      policies: by,
      version,
    } = decideOperation({ ...request, ...changed }, policies)
    assert.equal(`${outcome}${reason === undefined ? '' : ` ${reason}`}: ${by.join(' ')}`, want)
    assert.equal(version, policies.administration.version)
  })
}
