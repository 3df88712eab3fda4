/**
 * Fastify compiles the schemas of all routes before it listens: a sixth of what a gateway's start takes of the processor, for routes of which most are never
 * asked. Here each is compiled when it is first needed.
 */

import type { BuildCompilerFromPool } from '@fastify/ajv-compiler'
import ajvCompiler from '@fastify/ajv-compiler'
import type { SerializerFactory } from '@fastify/fast-json-stringify-compiler'
import fastJsonStringifyCompiler from '@fastify/fast-json-stringify-compiler'

type Validate = ReturnType<ReturnType<BuildCompilerFromPool>>

/** What fastify makes its compilers with: its own, put off. */
export function lazyCompilers(): { readonly buildValidator: BuildCompilerFromPool; readonly buildSerializer: SerializerFactory } {
  const buildValidator = ajvCompiler()
  const buildSerializer = fastJsonStringifyCompiler()
  return {
    buildValidator(externalSchemas, options) {
      const compile = buildValidator(externalSchemas, options)
      return (...route) => lazyValidator(() => compile(...route))
    },
    buildSerializer(externalSchemas, options) {
      const compile = buildSerializer(externalSchemas, options)
      return (route) => {
        const serializer = once(() => compile(route))
        return (document) => serializer()(document)
      }
    },
  }
}

/** What is wrong stands at the function that found it, where fastify looks for it (ajv, "Validation errors"). */
function lazyValidator(compile: () => Validate): Validate {
  const validator = once(compile)
  const validate = (data: unknown): boolean => {
    const isValid = validator()(data) as boolean
    ;(validate as Partial<Validate>).errors = validator().errors ?? null
    return isValid
  }
  return validate as unknown as Validate
}

function once<T extends object>(make: () => T): () => T {
  let made: T | null = null
  return () => (made ??= make())
}
