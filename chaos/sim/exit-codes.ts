/** How `npm run sim` ends. */
export const exitCodes = { clean: 0, wrongAnswer: 1, usage: 2, noProgress: 3, crash: 4 } as const
