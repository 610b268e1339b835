import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { encodeEvent, SseDecoder, SseError, type SseEvent } from './sse.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (text: string): SseEvent[] => new SseDecoder().push(bytes(text))

test('streams', () => {
  const rows: [string, SseEvent[]][] = [
    ['data: a\n\n', [{ event: 'message', data: 'a' }]],
    ['data:a\r\n\r\n', [{ event: 'message', data: 'a' }]],
    ['data:  a\r\r', [{ event: 'message', data: ' a' }]],
    ['data: a\ndata: b\n\n', [{ event: 'message', data: 'a\nb' }]],
    ['data\n\n', [{ event: 'message', data: '' }]],
    [
      ': comment\n\nevent: x\nid: 7\ndata: a\nretry: 5\nother: y\n\n',
      [{ event: 'x', data: 'a', id: '7' }],
    ],
    [
      'id: 1\ndata: a\n\ndata: b\n\n',
      [
        { event: 'message', data: 'a', id: '1' },
        { event: 'message', data: 'b', id: '1' },
      ],
    ],
    ['id: a\0b\ndata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['event: x\n\ndata: a\n\n', [{ event: 'message', data: 'a' }]],
    ['data: unfinished\n', []],
    ['\ufeffdata: a\n\n', [{ event: 'message', data: 'a' }]],
  ]
  for (const [text, want] of rows) assert.deepEqual(decode(text), want, JSON.stringify(text))
})

test('events come out as they went in, however the stream is cut', () => {
  const event = fc.record({
    event: fc.constantFrom('message', 'ping'),
    data: fc.string({ unit: 'grapheme' }),
    id: fc.constantFrom('1', 'b'),
  })
  const end = fc.constantFrom('\n', '\r\n', '\r')
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      end,
      fc.array(fc.nat(200)),
      (events, eol, cuts) => {
        const sent = events.map(({ data, ...rest }) => ({
          ...rest,
          data: data.replace(/[\r\n]/g, ' '),
        }))
        const stream = bytes(sent.map(encodeEvent).join('').replaceAll('\n', eol))
        const decoder = new SseDecoder()
        const got: SseEvent[] = []
        const ends = [
          ...cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b),
          stream.length,
        ]
        let from = 0
        for (const to of ends) {
          got.push(...decoder.push(stream.subarray(from, to)))
          from = to
        }
        assert.deepEqual(got, sent)
      },
    ),
  )
})

test('line ends in data make lines, elsewhere they are a mistake of ours', () => {
  assert.equal(encodeEvent({ data: 'a\r\nb\rc' }), 'data: a\ndata: b\ndata: c\n\n')
  assert.throws(() => encodeEvent({ data: 'a', id: '1\ndata: evil' }), TypeError)
  assert.throws(() => encodeEvent({ data: 'a', event: 'x\r' }), TypeError)
})

const small = (): SseDecoder => new SseDecoder(100)

test('hostile streams end in an error of bounded size', () => {
  assert.throws(() => small().push(bytes(`data: ${'x'.repeat(200)}`)), SseError)
  assert.throws(
    () => small().push(bytes(`data: ${'x'.repeat(60)}\ndata: ${'x'.repeat(60)}\n`)),
    SseError,
  )
  assert.throws(() => small().push(bytes('data\n'.repeat(200))), SseError)
  assert.throws(() => small().push(Uint8Array.of(0xff)), SseError)
  const decoder = small()
  for (let i = 0; i < 1_000; i++) decoder.push(bytes(': keep-alive\n\n'))
  assert.equal(decoder.push(bytes(`data: ${'x'.repeat(90)}\n\n`)).length, 1)
})
