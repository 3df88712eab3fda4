import { clientScenarios } from './scenarios.ts'
import { testScenarios } from './suite.ts'

testScenarios(clientScenarios.slice(0, 6))
