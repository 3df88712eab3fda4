import { loginScenarios } from './scenarios.ts'
import { testScenarios } from './suite.ts'

testScenarios(loginScenarios)
