import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LineReader } from './lines.ts'

type Taken = ['line', string] | ['too_long', number | undefined]

function read(pieces: readonly Buffer[], maxBytes: number): Taken[] {
  const taken: Taken[] = []
  const reader = new LineReader(maxBytes, (line) =>
    taken.push(line.kind === 'line' ? ['line', line.bytes.toString()] : ['too_long', line.guess()]),
  )
  for (const piece of pieces) reader.push(piece)
  return taken
}

test('lines are the same however the stream is cut', () => {
  const line = fc
    .string({ unit: 'grapheme', maxLength: 40 })
    .map((text) => text.replaceAll('\n', ''))
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const whole = Buffer.from(lines.map((text) => `${text}\n`).join(''))
      const places = [
        0,
        ...cuts.filter((at) => at < whole.length).toSorted((a, b) => a - b),
        whole.length,
      ]
      const pieces = places.slice(1).map((end, i) => whole.subarray(places[i], end))
      const want = lines.filter((text) => text !== '').map((text) => ['line', text])
      assert.deepEqual(read(pieces, 1_000), want)
      // What is too long is skipped to its end, and nothing else is.
      assert.deepEqual(
        read(pieces, 10).filter(([kind]) => kind === 'line'),
        want.filter(([, text]) => Buffer.byteLength(String(text)) <= 10),
      )
    }),
  )
})

const guesses: [string, string, number | undefined][] = [
  ['id first', `{"jsonrpc":"2.0","id":7,"result":{"x":"${'x'.repeat(900)}"}}`, 7],
  ['id last', `{"result":{"x":"${'x'.repeat(900)}"},"jsonrpc":"2.0","id":7}`, 7],
  [
    'id last, then the version',
    `{"result":{"x":"${'x'.repeat(900)}"},"id":7,"jsonrpc":"2.0"}\r`,
    7,
  ],
  ['id in the middle', `{"a":"${'x'.repeat(400)}","id":7,"b":"${'x'.repeat(400)}"}`, undefined],
  ['an id inside the result', `{"result":{"x":"${'x'.repeat(900)}","id":7}}`, undefined],
  ['a string', `{"id":"7","x":"${'x'.repeat(900)}"}`, undefined],
]
for (const [name, line, want] of guesses) {
  test(`whose answer a line is that was too long: ${name}`, () => {
    const bytes = Buffer.from(`${line}\n{"next":1}\n`)
    const pieces = [bytes.subarray(0, 5), bytes.subarray(5, 300), bytes.subarray(300)]
    assert.deepEqual(read(pieces, 100), [
      ['too_long', want],
      ['line', '{"next":1}'],
    ])
  })
}
