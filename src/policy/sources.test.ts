import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { must } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { defaultPolicies, readPolicyFolder } from './sources.ts'

async function folderWith(
  t: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-policies-'))
  t.after(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

test('the policies of the product compile', async () => {
  must(compilePolicies(await defaultPolicies()))
})

test('a folder holds some of the sets, and what is no policy', async (t) => {
  const folder = await folderWith(t, { 'agent.cedar': '// a', 'README.md': 'x' })
  assert.deepEqual(must(await readPolicyFolder(folder)), { agent: '// a' })
})

test('a policy file that would not be loaded is refused', async (t) => {
  const folder = await folderWith(t, { 'agents.cedar': '', 'person.cedar': '' })
  assert.deepEqual(await readPolicyFolder(folder), {
    ok: false,
    error: {
      reason: 'invalid_policies',
      message: '`agents.cedar`: expected one of agent, person, intent, guardrail, administration',
      problems: [
        '`agents.cedar`: expected one of agent, person, intent, guardrail, administration',
      ],
    },
  })
})

test('a folder that is not there is a fault', async () => {
  await assert.rejects(readPolicyFolder('/nowhere/at/all'), { code: 'ENOENT' })
})
