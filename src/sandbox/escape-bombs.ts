/** Runs inside a sandbox and uses all that it can of one thing: `node escape-bombs.ts <what> <writable folder>`. */

/* oxlint-disable no-restricted-globals -- a program of its own, that is run alone: there is no clock to give it */

import { spawn } from 'node:child_process'
import fs from 'node:fs'

const [, , what, folder = '/tmp'] = process.argv
const MEBIBYTE = 1024 * 1024
const block = Buffer.alloc(MEBIBYTE, 1)

function again(environment: NodeJS.ProcessEnv): void {
  try {
    spawn(process.execPath, process.argv.slice(1), {
      env: environment,
      stdio: 'ignore',
      detached: true,
    }).on('error', () => {})
  } catch {
    // T0: no children.
  }
}

function fill(place: string): void {
  for (let i = 0; ; i++) {
    try {
      fs.appendFileSync(`${place}/bomb-${i % 8}`, block)
    } catch {
      return
    }
  }
}

function empty(place: string): void {
  for (let i = 0; ; i++) {
    try {
      fs.writeFileSync(`${place}/empty-${i}`, '')
    } catch {
      return
    }
  }
}

/** What a bomb ends with when the kernel refused it. */
const FULL = 28
const UNSEEN = `$SIG{CHLD} = 'IGNORE'; my $block = 'x' x 1048576; my $i = 0;
  while (1) { $i++; my $pid = fork; if (defined $pid && !$pid) {
    open F, '>', "$ARGV[0]/unseen-$i"; print F $block for 1..4; close F; exit } select undef, undef, undef, 0.002 }`
const kept: Buffer[] = []

switch (what) {
  case 'fork':
    for (let i = 0; i < 8; i++) again({})
    setTimeout(() => {}, 60_000)
    break
  case 'memory':
    // Each process takes a part of it; where there may be but one, all of it.
    if (process.env['PART'] === undefined) for (let i = 0; i < 8; i++) again({ PART: '1' })
    for (;;) kept.push(Buffer.alloc(MEBIBYTE, kept.length))
  // oxlint-disable-next-line no-fallthrough -- the loop above never ends
  case 'disk':
    fill(folder)
    fill(process.env['TMPDIR'] ?? '/tmp')
    process.stdout.write('full')
    setTimeout(() => {}, 60_000)
    break
  case 'empty files':
    empty(folder)
    setTimeout(() => {}, 60_000)
    break
  case 'empty files in scratch':
    empty(process.env['TMPDIR'] ?? '/tmp')
    process.exit(FULL)
  // oxlint-disable-next-line no-fallthrough -- the exit above never returns
  case 'unseen children':
    // Whoever says that they will not wait has them reaped without a word of what they wrote.
    spawn('/usr/bin/perl', ['-e', UNSEEN, folder], { stdio: 'ignore' })
    setTimeout(() => {}, 60_000)
    break
  case 'flood':
    for (;;) fs.writeSync(1, block)
  // oxlint-disable-next-line no-fallthrough -- the loop above never ends
  case 'spin':
    for (;;);
  // oxlint-disable-next-line no-fallthrough -- the loop above never ends
  case 'daemon':
    // Its own session, no terminal, ignoring what it can.
    spawn(
      '/bin/sh',
      ['-c', `trap '' HUP INT TERM; while :; do echo x >> ${folder}/beat; sleep 0.05; done`],
      {
        detached: true,
        stdio: 'ignore',
      },
    ).unref()
    setTimeout(() => process.exit(0), 300)
    break
  case 'kill':
    for (const target of [1, 0, -1]) {
      try {
        process.kill(target, 'SIGKILL')
      } catch {
        // Refused.
      }
    }
    break
  default:
    process.exit(64)
}
