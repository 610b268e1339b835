import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listenPrivately } from './private-socket.ts'

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'behalf-socket-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function listen(t: TestContext, path: string): Promise<void> {
  const server = createServer()
  t.after(() => server.close())
  await listenPrivately(server, path)
}

test('makes folder and socket for nobody else', async (t) => {
  const path = join(folder(t), 'a', 'b', 'w.sock')
  await listen(t, path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
})

test('refuses a folder that others can enter', async (t) => {
  const open = folder(t)
  chmodSync(open, 0o710)
  await assert.rejects(listen(t, join(open, 'w.sock')), {
    message: `expected \`${open}\` to be a folder of ours with mode 0700`,
  })
})

test('refuses a folder that is a link', async (t) => {
  const link = join(folder(t), 'link')
  symlinkSync(folder(t), link)
  await assert.rejects(listen(t, join(link, 'w.sock')), /to be a folder of ours/)
})

test('refuses a path that the kernel would cut', async (t) => {
  const base = folder(t)
  const path = (length: number): string => join(base, 'a'.repeat(length - base.length - 1))
  await listen(t, path(107))
  await assert.rejects(listen(t, path(108)), {
    message: `expected a socket path of at most 107 bytes, got 108: \`${path(108)}\``,
  })
  await assert.rejects(listen(t, join(base, 'ä'.repeat(54))), RangeError)
})

test('never takes the path of a server that answers', async (t) => {
  const path = join(folder(t), 'w.sock')
  await listen(t, path)
  await assert.rejects(listen(t, path), {
    message: `expected \`${path}\` to be free, a server answers there`,
  })
})

test('takes the path of a server that was killed', async (t) => {
  const path = join(folder(t), 'w.sock')
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  assert.ok(existsSync(path))
  await listen(t, path)
})
