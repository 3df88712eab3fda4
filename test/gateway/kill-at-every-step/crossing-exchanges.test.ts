import { crossingScenarios } from './crossing.ts'
import { testScenarios } from './suite.ts'

testScenarios(crossingScenarios.slice(0, 4))
