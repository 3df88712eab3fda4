import { ownScenarios } from './scenarios.ts'
import { testScenarios } from './suite.ts'

testScenarios(ownScenarios)
