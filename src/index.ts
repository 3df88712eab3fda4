/** What the package offers to programs: the types of the cluster's context, and the errors. */
export * from './context/session-context.ts'
export * from './context/vpn-configuration.ts'
export * from './context/grants.ts'
export * from './kit/errors.ts'
