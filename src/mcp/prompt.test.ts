import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { conformsToPrompt } from './prompt.ts'

test('prompt arguments', () => {
  const prompt: JsonObject = {
    name: 'p',
    arguments: [{ name: 'city', required: true }, { name: 'state' }],
  }
  assert.equal(conformsToPrompt({ city: 'x' }, prompt).ok, true)
  assert.equal(conformsToPrompt({ city: 'x', state: 'y' }, prompt).ok, true)
  for (const bad of [{}, { city: 1 }, { city: 'x', zip: '1' }]) {
    assert.equal(conformsToPrompt(bad, prompt).ok, false)
  }
  assert.equal(conformsToPrompt({}, { name: 'p' }).ok, true)
  assert.equal(conformsToPrompt({ a: 'x' }, { name: 'p' }).ok, false)
})
