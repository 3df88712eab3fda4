import { otherScenarios } from './scenarios.ts'
import { testScenarios } from './suite.ts'

testScenarios(otherScenarios)
