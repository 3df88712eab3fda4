/** `evpc completion`: what a shell has to know to complete the words of a command line, made of the commands as they are. */

import { Argument } from 'commander'
import type { Command, Option } from 'commander'
import { report } from './output.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('a script that makes a shell complete the words of evpc')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(evpc completion bash)
  $ evpc completion bash > /etc/bash_completion.d/evpc
  $ evpc completion zsh > "\${fpath[1]}/_evpc"
  $ evpc completion fish > ~/.config/fish/completions/evpc.fish`,
    )
    .action((shell: Shell) => report(writers[shell](nodesOf(program, ''))))
}

/** A command, by the words that lead to it: `/member/add`; the program itself is the empty one. */
interface Node {
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly Option[]
  /** What its first argument may be, where that is one of few. */
  readonly words: readonly string[]
}

function nodesOf(command: Command, path: string): readonly Node[] {
  const commands = command.commands.map((one) => ({ name: one.name(), description: one.description() }))
  const words = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? [])
  const node = { path, commands, options: command.options.filter(({ hidden }) => !hidden), words }
  return [node, ...command.commands.flatMap((one) => nodesOf(one, `${path}/${one.name()}`))]
}

function flagsOf({ short, long }: Option): readonly string[] {
  return [short, long].filter((flag) => flag !== undefined)
}

/** Whether the next word is its value. */
function takesValue({ required, optional }: Option): boolean {
  return required || optional
}

function wordsOf({ commands, options, words }: Node): string {
  return [...commands.map(({ name }) => name), ...words, ...options.flatMap(flagsOf), '--help'].join(' ')
}

/** The cases in which a value follows: its choices, or nothing, and then the shell offers files. */
function valueCases(nodes: readonly Node[], write: (choices: readonly string[]) => string): string {
  const cases = nodes.flatMap(({ path, options }) => {
    return options.filter(takesValue).map((option) => {
      const patterns = flagsOf(option).map((flag) => `'${path} ${flag}'`)
      return `    ${patterns.join('|')}) ${write(option.argChoices ?? [])} ;;`
    })
  })
  return cases.join('\n')
}

function pathCases(nodes: readonly Node[], write: (node: Node) => string): string {
  return nodes.map((node) => `    '${node.path}') ${write(node)} ;;`).join('\n')
}

function pathPatterns(nodes: readonly Node[]): string {
  return nodes
    .filter(({ path }) => path !== '')
    .map(({ path }) => path)
    .join('|')
}

function bash(nodes: readonly Node[]): string {
  return `# bash completion of evpc
_evpc() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/\${COMP_WORDS[i]}" in
      ${pathPatterns(nodes)}) at="$at/\${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$at $prev" in
${valueCases(nodes, (choices) => (choices.length === 0 ? 'return' : `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur")); return`))}
  esac
  case "$at" in
${pathCases(nodes, (node) => `COMPREPLY=($(compgen -W '${wordsOf(node)}' -- "$cur"))`)}
  esac
}
complete -o default -F _evpc evpc`
}

function zsh(nodes: readonly Node[]): string {
  return `#compdef evpc
_evpc() {
  local at='' i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at/$words[i]" in
      ${pathPatterns(nodes)}) at="$at/$words[i]" ;;
    esac
  done
  case "$at $words[CURRENT - 1]" in
${valueCases(nodes, (choices) => (choices.length === 0 ? '_files; return' : `compadd -- ${choices.join(' ')}; return`))}
  esac
  case "$at" in
${pathCases(nodes, (node) => `compadd -- ${wordsOf(node)}`)}
  esac
  _files
}
if [ "\${funcstack[1]}" = _evpc ]; then _evpc "$@"; else compdef _evpc evpc; fi`
}

/** fish asks of each line whether it is to be offered; a function says at which command the words are. */
function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options, words }) => {
    const here = `complete -c evpc -n '__evpc_at "${path}"'`
    return [
      ...commands.map(({ name, description }) => `${here} -f -a ${name} -d ${quoted(description)}`),
      ...words.map((word) => `${here} -f -a ${word}`),
      ...options.map((option) => `${here} ${fishOption(option)} -d ${quoted(option.description)}`),
    ]
  })
  const patterns = nodes.map(({ path }) => path).filter((path) => path !== '')
  return `# fish completion of evpc
function __evpc_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    contains -- "$at/$word" ${patterns.join(' ')}; and set at "$at/$word"
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}`
}

function fishOption(option: Option): string {
  const long = option.long === undefined ? '' : `-l ${option.long.slice(2)}`
  const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`
  const choices = option.argChoices === undefined ? '' : ` -x -a ${quoted(option.argChoices.join(' '))}`
  return `${long}${short}${takesValue(option) && choices === '' ? ' -r' : choices}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

const writers: Readonly<Record<Shell, (nodes: readonly Node[]) => string>> = { bash, zsh, fish }
