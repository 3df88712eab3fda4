// Holds the layer table: which part of the tree may import what. The compiler holds the other half, see tsconfig.cores.json: to a core
// neither `process` nor `setTimeout` nor `Buffer` exists. Reads the import statements of every source file, prints how many files it
// read, and fails when it found none: a check that read nothing has checked nothing.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

const cores = ['kit', 'context', 'session', 'pki', 'ike', 'ike/wire', 'esp', 'gateway']
/** Raft's shell is what tsconfig.cores.json leaves out: one list for both checks. */
const raftShellFiles = JSON.parse(readFileSync(new URL('tsconfig.cores.json', import.meta.url), 'utf8')).exclude.map((path) =>
  path.slice('../'.length),
)

/**
 * The first layer that holds a file is its layer. `layers`: the other layers it may import; `libraries`: packages, and `node:` for all
 * of Node's or `node:crypto` for one; `core`: no waiting, no clock, no randomness either.
 */
export const layers = [
  { name: 'kit', at: ['src/kit/'], layers: [], libraries: [], core: true },
  { name: 'context', at: ['src/context/'], layers: ['kit'], libraries: [], core: true },
  { name: 'session', at: ['src/session/'], layers: ['kit', 'context'], libraries: [], core: true },
  { name: 'ike/wire', at: ['src/ike/wire/'], layers: ['kit', 'context'], libraries: [], core: true },
  { name: 'pki', at: ['src/pki/'], layers: ['kit', 'context'], libraries: [], core: true },
  { name: 'ike', at: ['src/ike/'], layers: ['kit', 'context', 'ike/wire', 'pki'], libraries: [], core: true },
  { name: 'esp', at: ['src/esp/'], layers: ['kit', 'context'], libraries: [], core: true },
  {
    name: 'gateway',
    at: ['src/gateway/'],
    layers: ['kit', 'context', 'session', 'ike', 'ike/wire', 'esp'],
    libraries: [],
    core: true,
  },
  { name: 'client', at: ['src/client/'], layers: ['kit', 'context', 'ike', 'ike/wire', 'esp'], libraries: [], core: true },
  { name: 'crypto', at: ['src/crypto/'], layers: ['kit'], libraries: ['@noble/*', 'node:crypto', 'node:module', 'koffi'], core: false },
  { name: 'raft shell', at: raftShellFiles, layers: ['raft core'], libraries: ['node:', 'level', 'msgpackr'], core: false },
  { name: 'raft core', at: ['raft/'], layers: [], libraries: [], core: true },
  {
    name: 'store',
    at: ['src/store/'],
    layers: ['kit', 'context', 'session', 'raft/index.ts'],
    libraries: ['node:', 'level', 'msgpackr'],
    core: false,
  },
  { name: 'network', at: ['src/network/'], layers: [...cores, 'crypto'], libraries: ['node:', 'koffi'], core: false },
  { name: 'dataplane', at: ['src/dataplane/'], layers: [...cores, 'crypto', 'network'], libraries: ['node:', 'koffi'], core: false },
  {
    name: 'admin',
    at: ['src/admin/'],
    layers: [...cores],
    libraries: ['node:', 'fastify', '@fastify', 'typebox', 'prom-client'],
    core: false,
  },
  {
    name: 'config',
    at: ['src/config/'],
    layers: ['kit', 'context', 'crypto', 'pki'],
    libraries: ['node:', 'yaml', 'typebox'],
    core: false,
  },
  {
    name: 'top',
    at: ['src/cli/', 'src/main.ts', 'src/index.ts', 'test/', 'chaos/', 'bench/'],
    layers: ['*'],
    libraries: ['*'],
    core: false,
  },
]

const folders = ['src', 'raft', 'test', 'chaos', 'bench']

/** The layer of a path relative to the root, or null. */
export function layerOf(path) {
  return layers.find((layer) => layer.at.some((at) => (at.endsWith('/') ? path.startsWith(at) : path === at))) ?? null
}

/** The specifiers of a file's static and dynamic imports. */
export function importsOf(text) {
  const code = text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const patterns = [
    /^\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]/g,
  ]
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]))
}

/** What is wrong with one file, as sentences. `path` is relative to the root, with slashes. */
export function problemsOf(path, text) {
  const layer = layerOf(path)
  if (layer === null) return [`${path}: belongs to no layer; add it to the table in .ci/layers.mjs`]
  const problems = importsOf(text).flatMap((specifier) => importProblem(path, layer, specifier))
  return layer.core ? [...problems, ...impurities(path, text)] : problems
}

function importProblem(path, layer, specifier) {
  if (layer.layers.includes('*')) return []
  if (!specifier.startsWith('.')) {
    const allowed = layer.libraries.some((library) => permitsLibrary(library, specifier))
    return allowed ? [] : [`${path}: ${layer.name} may not import ${specifier}`]
  }
  const target = relative('.', resolve(dirname(path), specifier))
    .split(sep)
    .join('/')
  const other = layerOf(target)
  if (other === layer || layer.layers.includes(target) || (other !== null && layer.layers.includes(other.name))) return []
  return [`${path}: ${layer.name} may not import ${target} (${other?.name ?? 'no layer'})`]
}

function permitsLibrary(library, specifier) {
  if (library === 'node:') return specifier.startsWith('node:')
  if (library.endsWith('/*')) return specifier.startsWith(library.slice(0, -1))
  return specifier === library || specifier.startsWith(`${library}/`)
}

/** Waiting, the clock and randomness are arguments of a core; the language has them all the same, so the words are looked for. */
function impurities(path, text) {
  const code = text
    .replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/\/\/.*$/gm, '')
    .replace(/(['"`])(?:\\.|(?!\1)[^\\\n])*\1/g, "''")
  return code.split('\n').flatMap((line, i) => {
    const word = /\b(await\b|async\b|Math\.random\b|Date\.now\b|new Date\(\s*\))/.exec(line)?.[1]
    return word === undefined ? [] : [`${path}:${i + 1}: a core may not use ${word}`]
  })
}

function sourceFiles() {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file).split(sep).join('/')))
    .filter((file) => file.endsWith('.ts'))
    .sort((a, b) => (a < b ? -1 : 1))
}

function main() {
  const files = sourceFiles()
  const problems = files.flatMap((file) => problemsOf(file, readFileSync(file, 'utf8')))
  for (const problem of problems) console.error(problem)
  console.log(`layers: read ${files.length} files, ${problems.length} problem${problems.length === 1 ? '' : 's'}`)
  if (files.length === 0) console.error('layers: found no file to read')
  process.exitCode = files.length === 0 || problems.length > 0 ? 1 : 0
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main()
