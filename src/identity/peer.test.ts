import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { must } from '../base/result.ts'
import { isAttested, peerOf } from './peer.ts'
import { parseSelectors, type Selector } from './selector.ts'

const skip = process.platform !== 'linux' && 'needs SO_PEERCRED'

interface Met {
  readonly socket: Socket
  readonly child: ChildProcess
  readonly folder: string
}

/** A child process that connects to us and stays. */
async function meet(t: TestContext, command?: string): Promise<Met> {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-peer-'))
  const path = join(folder, 'p.sock')
  const server = createServer()
  t.after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const script = `require('node:net').connect(${JSON.stringify(path)}).on('error', () => {}).resume()`
  const child = spawn(command ?? process.execPath, ['-e', script], { stdio: 'inherit' })
  t.after(() => child.kill('SIGKILL'))
  const socket = await accepted
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  return { socket, child, folder }
}

function selectors(...texts: string[]): readonly Selector[] {
  return must(parseSelectors(texts))
}

test('knows the process that connected', { skip }, async (t) => {
  const { socket, child } = await meet(t)
  const peer = peerOf(socket)
  assert.deepEqual(
    [peer?.pid, peer?.uid, peer?.gid],
    [child.pid, process.getuid?.(), process.getgid?.()],
  )
})

test('prints no warning of the interface that it uses', { skip }, async () => {
  const script = `
    import { createServer, connect } from 'node:net'
    import { peerOf } from ${JSON.stringify(join(import.meta.dirname, 'peer.ts'))}
    const server = createServer((socket) => { peerOf(socket); process.exit() }).listen('\\0behalf-' + process.pid)
    connect('\\0behalf-' + process.pid)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let printed = ''
  child.stderr.on('data', (text: Buffer) => (printed += text.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  assert.equal(printed, '')
})

test('every selector must hold', { skip }, async (t) => {
  const { socket } = await meet(t)
  const peer = peerOf(socket)
  assert.ok(peer)
  const path = realpathSync(process.execPath)
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
  const [uid, gid] = [`unix:uid:${peer.uid}`, `unix:gid:${peer.gid}`]
  for (const [texts, want] of [
    [[uid], true],
    [[uid, gid, `unix:path:${path}`, `unix:sha256:${digest}`], true],
    [[`unix:sha256:${digest}`], true],
    [[], false],
    [[`unix:uid:${peer.uid + 1}`], false],
    [[uid, `unix:gid:${peer.gid + 1}`], false],
    [[uid, 'unix:path:/usr/bin/true'], false],
    [[uid, `unix:sha256:${'00'.repeat(32)}`], false],
  ] as const) {
    assert.equal(await isAttested(peer, selectors(...texts)), want, texts.join(' '))
  }
})

test('a process that is gone is nobody', { skip }, async (t) => {
  const { socket, child } = await meet(t)
  const peer = peerOf(socket)
  assert.ok(peer)
  const held = selectors(`unix:uid:${peer.uid}`)
  assert.equal(await isAttested(peer, held), true)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  assert.equal(await isAttested(peer, held), false)
})

test('a process that is gone before we look is nobody', { skip }, async (t) => {
  const { socket, child } = await meet(t)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  assert.equal(peerOf(socket), undefined)
})

test('a successor in its number is somebody else', { skip }, async (t) => {
  const { socket } = await meet(t)
  const peer = peerOf(socket)
  assert.ok(peer)
  const successor = { ...peer, startedAt: String(Number(peer.startedAt) - 1) }
  assert.equal(await isAttested(successor, selectors(`unix:uid:${peer.uid}`)), false)
})

test('an executable that was replaced is not the one at its path', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-exe-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'node')
  copyFileSync(realpathSync(process.execPath), path)
  const { socket } = await meet(t, path)
  const peer = peerOf(socket)
  assert.ok(peer)
  assert.equal(await isAttested(peer, selectors(`unix:path:${path}`)), true)
  rmSync(path)
  copyFileSync('/bin/sh', path)
  assert.equal(await isAttested(peer, selectors(`unix:path:${path}`)), false)
})
