/**
 * Text scenarios: what a user types, and what the real server and command line answer.
 *
 * `## …` starts a block and names the requirement or the bug that earned it. In a block:
 *   `$ command`   runs in a shell, with `behalf` on PATH and the server's address in BEHALF_URL
 *   `! 2`         the exit status it must have, 0 when absent
 *   `= name path` keeps a member of its JSON output as `{name}` for later lines
 *   other lines   its output (standard output, then standard error), whole but for blank lines; `…`
 *                 stands for anything
 */

/** One command and what it must do. */
export interface Step {
  readonly line: number
  readonly command: string
  readonly status: number
  readonly captures: readonly { readonly name: string; readonly path: string }[]
  readonly output: readonly string[]
}

/** A named list of steps. */
export interface Block {
  readonly title: string
  readonly steps: readonly Step[]
}

/** The blocks of a scenario file. */
export function parseScenario(text: string): Block[] {
  const blocks: {
    title: string
    steps: {
      line: number
      command: string
      status: number
      captures: { name: string; path: string }[]
      output: string[]
    }[]
  }[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const step = blocks.at(-1)?.steps.at(-1)
    if (line.startsWith('## ')) blocks.push({ title: line.slice(3), steps: [] })
    else if (line.startsWith('$ '))
      blocks.at(-1)?.steps.push({
        line: index + 1,
        command: line.slice(2),
        status: 0,
        captures: [],
        output: [],
      })
    else if (step === undefined || line === '' || line.startsWith('# ')) continue
    else if (line.startsWith('! ')) step.status = Number(line.slice(2))
    else if (line.startsWith('= ')) {
      const [name = '', path = ''] = line.slice(2).split(' ')
      step.captures.push({ name, path })
    } else step.output.push(line)
  }
  return blocks
}

/** `{name}` replaced by what was kept under it. */
export function fill(text: string, kept: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => kept.get(name) ?? whole)
}

/** Whether `output` is what the lines of a step say; `…` stands for anything, also over lines. */
export function matches(
  output: string,
  lines: readonly string[],
  kept: ReadonlyMap<string, string>,
): boolean {
  const source = fill(lines.join('\n'), kept)
    .split('…')
    .map((part) => RegExp.escape(part))
    .join('[^]*?')
  return new RegExp(`^${source}\\n?$`).test(output.replaceAll(/\n{2,}/g, '\n'))
}

/** The member at a dotted path of a JSON text. */
export function memberAt(json: string, path: string): string {
  let value: unknown = JSON.parse(json)
  for (const part of path.split('.')) value = (value as Record<string, unknown>)[part]
  return typeof value === 'string' ? value : JSON.stringify(value)
}
