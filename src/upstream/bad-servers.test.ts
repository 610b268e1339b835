/** Servers that are slow, gone, or lie, over pipes. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import type { CallOutcome } from './call.ts'
import type { UpstreamServer } from './server.ts'
import { badServer, options, serverOf, testUpstreams, tool } from './testing.ts'
import type { Upstreams } from './upstreams.ts'

const text = (words: string): CallOutcome => ({
  outcome: 'ok',
  result: { content: [{ type: 'text', text: words }] },
})
const failed = (message: string): CallOutcome => ({
  outcome: 'failed',
  error: { reason: 'upstream_failed', message },
})
const withheld = (message: string): CallOutcome => ({
  outcome: 'withheld',
  error: { reason: 'result_withheld', message },
})
const unknown = (message: string): CallOutcome => ({
  outcome: 'unknown',
  error: { reason: 'outcome_unknown', message },
})

/** What a server has received since it was first started. */
async function received(upstreams: Upstreams, server: UpstreamServer): Promise<string[]> {
  let told = await upstreams.call(server, tool('log'), options())
  // A server that is just ending takes a call with it; asking again is harmless here.
  while (told.outcome === 'unknown') told = await upstreams.call(server, tool('log'), options())
  const content = 'result' in told ? told.result['content'] : []
  return (content as [{ text: string }])[0].text.trim().split('\n')
}

const OPENED = ['started', 'server/discover', 'initialize', 'notifications/initialized']

async function bad(t: TestContext, ...flags: string[]): Promise<UpstreamServer> {
  return serverOf(await badServer(t, ...flags))
}

const answers: [string, string, CallOutcome][] = [
  [
    'a tool that fails',
    'toolError',
    { outcome: 'tool_error', result: { content: [{ type: 'text', text: 'no' }], isError: true } },
  ],
  [
    'an error',
    'error',
    {
      outcome: 'failed',
      error: {
        reason: 'upstream_failed',
        message: 'the server answered with error -32602',
        rpc: { code: -32_602, message: 'no' },
      },
    },
  ],
  ['noise before the answer', 'noise', text('after the noise')],
  ['two answers', 'twice', text('first')],
  [
    'an answer that two parsers read differently',
    'duplicate',
    withheld('its answer is refused: json_duplicate_key'),
  ],
  ['an answer beyond the cap', 'big', withheld('its answer is too large')],
  ['an answer beyond the cap, its id last', 'bigIdLast', withheld('its answer is too large')],
  ['a wish for input', 'incomplete', failed('the result is not complete')],
  [
    'questions of its own',
    'ask',
    {
      outcome: 'ok',
      result: {
        content: [{ type: 'text', text: '' }],
        structuredContent: { answers: [{}, -32_601, -32_601, -32_601, -32_601] },
      },
    },
  ],
  ['a flood', 'flood', unknown('it does not stop talking')],
  ['an end', 'die', unknown('it ended with 3')],
  ['an answer and its end', 'answerAndDie', text('last words')],
]

for (const [name, called, want] of answers) {
  test(`stdio: ${name}`, async (t) => {
    const upstreams = testUpstreams(t)
    const server = await bad(t)
    assert.deepEqual(await upstreams.call(server, tool(called), options()), want)
    // Whatever it did, the next call is served, and this one was not sent again.
    const log = await received(upstreams, server)
    const restarted = ['die', 'answerAndDie', 'flood'].includes(called)
    const mine =
      called === 'ask' ? ['tools/call', ...Array<string>(5).fill('answer')] : ['tools/call']
    assert.deepEqual(log, [...OPENED, ...mine, ...(restarted ? OPENED : []), 'tools/call'])
  })
}

test('stdio: a result larger than this call allows is withheld', async (t) => {
  const got = await testUpstreams(t).call(
    await bad(t),
    tool('noise'),
    options({ outputLimitBytes: 50 }),
  )
  assert.deepEqual(got, withheld('the result is too large'))
})

test('stdio: a call that hangs is timed out, cancelled, and not repeated', async (t) => {
  const clock = new FakeClock()
  const upstreams = testUpstreams(t, { clock })
  const server = await bad(t)
  await received(upstreams, server)
  const hanging = upstreams.call(server, tool('hang'), options({ timeoutMilliseconds: 5_000 }))
  const others = await received(upstreams, server)
  await clock.advance(5_000)
  assert.deepEqual(await hanging, {
    outcome: 'timed_out',
    error: { reason: 'upstream_timed_out', message: 'cancelled' },
  })
  const log = await received(upstreams, server)
  assert.deepEqual(log.slice(others.length), ['notifications/cancelled', 'tools/call'])
})

test('stdio: a call that nobody waits for any more is cancelled, its outcome unknown', async (t) => {
  const upstreams = testUpstreams(t)
  const server = await bad(t)
  await received(upstreams, server)
  const gone = new AbortController()
  const hanging = upstreams.call(server, tool('hang'), options({ signal: gone.signal }))
  await received(upstreams, server)
  gone.abort()
  assert.deepEqual(await hanging, unknown('cancelled'))
  const log = await received(upstreams, server)
  assert.deepEqual(log.slice(-2), ['notifications/cancelled', 'tools/call'])
})

test('a call that was cancelled before it was sent has failed, and is not sent', async (t) => {
  const upstreams = testUpstreams(t)
  const server = await bad(t)
  const gone = AbortSignal.abort()
  assert.deepEqual(
    await upstreams.call(server, tool('die'), options({ signal: gone })),
    failed('it was not connected in time'),
  )
  assert.deepEqual(await received(upstreams, server), [...OPENED, 'tools/call'])
})

test('a server that was dropped ends its calls as unknown, at once', async (t) => {
  const upstreams = testUpstreams(t)
  const server = await bad(t)
  await received(upstreams, server)
  const hanging = upstreams.call(server, tool('hang'), options())
  await received(upstreams, server)
  await upstreams.drop(server.id)
  assert.deepEqual(await hanging, unknown('closed'))
})

for (const state of ['registered', 'quarantined', 'withdrawn'] as const) {
  test(`a ${state} server is not called, and not even started`, async (t) => {
    const upstreams = testUpstreams(t)
    const transport = await badServer(t)
    const got = await upstreams.call(serverOf(transport, { state }), tool('log'), options())
    assert.deepEqual(got, failed('the server is not reviewed'))
    assert.deepEqual(await received(upstreams, serverOf(transport)), [...OPENED, 'tools/call'])
  })
}

test('another revision of a server gets another connection', async (t) => {
  const upstreams = testUpstreams(t)
  const transport = await badServer(t)
  await received(upstreams, serverOf(transport))
  const log = await received(upstreams, serverOf(transport, { revision: 2 }))
  assert.deepEqual(log, [...OPENED, 'tools/call', ...OPENED, 'tools/call'])
})

test('a server that keeps failing is tried again later and later, while calls wait', async (t) => {
  const clock = new FakeClock(0)
  const tried: number[] = []
  const credential = (): Promise<undefined> => {
    tried.push(clock.nowMilliseconds())
    return Promise.resolve(undefined)
  }
  const upstreams = testUpstreams(t, { clock, credential })
  const server = serverOf({ type: 'http', url: 'http://127.0.0.1:9/mcp', credential: 'none' })
  for (let i = 0; i < 10; i++) {
    const calling = upstreams.call(server, tool('x'), options({ timeoutMilliseconds: 2 ** 50 }))
    const settled = new AbortController()
    void calling.finally(() => settled.abort())
    while (!settled.signal.aborted) await clock.advance(50)
    assert.deepEqual(await calling, failed('expected its credential'))
  }
  const waits = tried.slice(1).map((at, i) => at - (tried[i] ?? 0))
  // Time moves in steps of 50: a step may have been taken before the call that waits began to.
  for (const [i, wait] of waits.entries()) {
    const least = Math.min(250 * 2 ** i, 30_000)
    assert.ok(wait >= least && wait <= least + 200, `${wait} for ${least}`)
  }
  // A call gives up in its own time; nothing was sent.
  const impatient = upstreams.call(server, tool('x'), options({ timeoutMilliseconds: 100 }))
  await clock.advance(100)
  assert.deepEqual(await impatient, failed('it was not connected in time'))
  assert.equal(tried.length, 10)
})

test('a server that never answers is given up', async (t) => {
  const clock = new FakeClock()
  const upstreams = testUpstreams(t, { clock })
  const server = serverOf(await badServer(t, '--mute'), { era: '2025-11-25' })
  const calling = upstreams.call(server, tool('x'), options({ timeoutMilliseconds: 2 ** 50 }))
  const settled = new AbortController()
  void calling.finally(() => settled.abort())
  // Starting the program takes real time: time passes until the call gives up.
  while (!settled.signal.aborted) await clock.advance(1_000)
  assert.deepEqual(await calling, failed('cancelled'))
})

test('a list is read to its end', async (t) => {
  const changed: string[] = []
  const upstreams = testUpstreams(t, { listChanged: (id) => changed.push(id) })
  const server = await bad(t)
  assert.deepEqual(must(await upstreams.observe(server)), {
    era: '2025-11-25',
    serverInfo: { name: 'bad', version: '1' },
    instructions: 'Be good.',
    tools: [{ name: 'a' }, { name: 'b' }],
    prompts: [],
    resources: [],
    resourceTemplates: [],
  })
  await upstreams.call(server, tool('changed'), options())
  assert.deepEqual(changed, ['srv_test'])
})

const listings: [string, string, string][] = [
  ['that leads in a circle', '--circle', '`tools/list`: expected a new cursor'],
  ['without end', '--endless', '`tools/list`: expected at most 100 pages'],
  ['of something else', '--odd', '`tools/list`: expected a list of objects'],
  ['of a server from the future', '--future', 'expected a revision that we speak'],
]
for (const [name, flag, want] of listings) {
  test(`a list ${name} is refused whole`, async (t) => {
    const got = await testUpstreams(t).observe(serverOf(await badServer(t, flag)))
    assert.equal(got.ok ? '' : got.error.message, want)
  })
}

test('the program of a server that is not reviewed does not stay', async (t) => {
  const upstreams = testUpstreams(t)
  const transport = await badServer(t)
  must(await upstreams.observe(serverOf(transport, { state: 'registered' })))
  const log = await received(upstreams, serverOf(transport))
  assert.equal(log.filter((line) => line === 'started').length, 2)
})
