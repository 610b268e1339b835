/**
 * `/access/v1/…`: AuthZEN Authorization API 1.0 over HTTP, evaluation and search.
 *
 * Whoever asks is authenticated: a person by their session, an agent by its own token for the
 * administration API. Answers are recorded before they are given.
 *
 * @see https://openid.net/specs/authorization-api-1_0.html
 */

import { ok, refuse, type Result } from '../../base/result.ts'
import { parseStrictJson } from '../../mcp/strict-json.ts'
import { bearerOf, knowAgent, knowPerson } from '../asker.ts'
import { type HttpAnswer, type HttpRequest, json, type Route } from '../http.ts'
import type { Installation } from '../installation.ts'
import { problem } from '../problems.ts'
import { evaluate, type Asker, type Evaluation } from './evaluate.ts'
import {
  invalidQuestion,
  questionSchema,
  questionsSchema,
  withDefaults,
  type Question,
  type Questions,
} from './question.ts'
import { recordAnswers } from './record.ts'
import { search } from './search.ts'

/** The routes of the access evaluation API. */
export function accessRoutes(env: Installation): Route[] {
  const { issuer } = env
  return [
    {
      method: 'POST',
      path: '/access/v1/evaluation',
      handle: (request) => answered(request, env, (body, asker) => single(body, asker, env)),
    },
    {
      method: 'POST',
      path: '/access/v1/evaluations',
      handle: (request) => answered(request, env, (body, asker) => several(body, asker, env)),
    },
    {
      method: 'POST',
      path: '/access/v1/search/subject',
      handle: (request) =>
        answered(request, env, (body, asker) => search('subject', body, asker, env)),
    },
    {
      method: 'POST',
      path: '/access/v1/search/resource',
      handle: (request) =>
        answered(request, env, (body, asker) => search('resource', body, asker, env)),
    },
    {
      method: 'POST',
      path: '/access/v1/search/action',
      handle: (request) =>
        answered(request, env, (body, asker) => search('action', body, asker, env)),
    },
    {
      method: 'GET',
      path: '/.well-known/authzen-configuration',
      // AuthZEN §9.1: where the endpoints are.
      handle: () =>
        json(200, {
          policy_decision_point: issuer,
          access_evaluation_endpoint: `${issuer}/access/v1/evaluation`,
          access_evaluations_endpoint: `${issuer}/access/v1/evaluations`,
          search_subject_endpoint: `${issuer}/access/v1/search/subject`,
          search_resource_endpoint: `${issuer}/access/v1/search/resource`,
          search_action_endpoint: `${issuer}/access/v1/search/action`,
        }),
    },
  ]
}

type Body = Readonly<Record<string, unknown>>

/** Knows the asker, reads the body, answers; echoes the request's identifier (AuthZEN §10.1.4). */
async function answered(
  request: HttpRequest,
  env: Installation,
  answer: (body: Body, asker: Asker) => Promise<Result<Body>>,
): Promise<HttpAnswer> {
  const known = await knowAsker(request, env)
  const asker = known.ok && !mayAsk(known.value, env) ? refuse({ reason: 'too_many_idle' }) : known
  const body = asker.ok ? readBody(request) : asker
  const result = asker.ok && body.ok ? await answer(body.value, asker.value) : body
  const given = result.ok ? json(200, result.value) : problem(result.error)
  const id = request.headers['x-request-id']
  if (typeof id !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(id)) return given
  return { ...given, headers: { ...given.headers, 'x-request-id': id } }
}

/** Whether one more answer may be recorded: what an agent asks has no effect, and fills the log all the same. */
function mayAsk(asker: Asker, { admissions }: Pick<Installation, 'admissions'>): boolean {
  return asker.type === 'person' || admissions.takeIdle(asker.caller.agents[0] ?? '')
}

async function knowAsker(request: HttpRequest, env: Installation): Promise<Result<Asker>> {
  if (bearerOf(request) === undefined) {
    const caller = await knowAgent(request, env)
    return caller.ok ? ok({ type: 'agent', caller: caller.value }) : caller
  }
  const session = await knowPerson(request, env)
  return session.ok ? ok({ type: 'person', session: session.value }) : session
}

function readBody(request: HttpRequest): Result<Body> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    return refuse({ reason: 'invalid_request', message: 'expected `application/json`' })
  }
  const body = parseStrictJson(request.body)
  if (!body.ok) return refuse({ reason: 'invalid_request', message: 'expected a JSON object' })
  const { value } = body
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse({ reason: 'invalid_request', message: 'expected a JSON object' })
  }
  return ok(value as Body)
}

async function single(body: Body, asker: Asker, env: Installation): Promise<Result<Body>> {
  const question = parsed(body)
  if (!question.ok) return question
  const evaluation = await evaluate(question.value, asker, env)
  await recordAnswers([{ question: question.value, evaluation }], asker, env)
  return ok(told(evaluation))
}

async function several(body: Body, asker: Asker, env: Installation): Promise<Result<Body>> {
  const { evaluations } = body
  // AuthZEN §7.1: without evaluations it is one question.
  if (evaluations === undefined || (Array.isArray(evaluations) && evaluations.length === 0)) {
    return await single(body, asker, env)
  }
  const questions = questionsSchema.safeParse(body)
  if (!questions.success) return refuse(invalidQuestion(questions.error.issues[0]))
  const answers: Evaluation[] = []
  const recorded: { question: Question; evaluation: Evaluation }[] = []
  for (const [at, one] of questions.data.evaluations.entries()) {
    // The first was counted with the request.
    if (at > 0 && !mayAsk(asker, env)) return refuse({ reason: 'too_many_idle' })
    const question = parsed(withDefaults(one, questions.data))
    // An error in one question is a no to that one (AuthZEN §7.2.1).
    const evaluation: Evaluation = question.ok
      ? await evaluate(question.value, asker, env)
      : {
          decision: false,
          context: { error: { status: 400, message: question.error.message ?? '' } },
          recorded: {},
        }
    answers.push(evaluation)
    if (question.ok) recorded.push({ question: question.value, evaluation })
    if (isEnd(questions.data, evaluation)) break
  }
  await recordAnswers(recorded, asker, env)
  return ok({ evaluations: answers.map(told) })
}

/** Whether the questions after this answer are left unasked (AuthZEN §7.1.2.1). */
function isEnd({ options }: Questions, { decision }: Evaluation): boolean {
  if (options.evaluations_semantic === 'deny_on_first_deny') return !decision
  return options.evaluations_semantic === 'permit_on_first_permit' && decision
}

function parsed(body: Body): Result<Question> {
  const question = questionSchema.safeParse(body)
  return question.success ? ok(question.data) : refuse(invalidQuestion(question.error.issues[0]))
}

function told({ decision, context }: Evaluation): Body {
  return { decision, ...(context !== undefined && { context }) }
}
