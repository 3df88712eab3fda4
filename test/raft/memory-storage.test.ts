import { MemoryStorage } from '../../raft/memory-storage.ts'
import { storageSuite } from './storage-suite.ts'

storageSuite('MemoryStorage', () => {
  const storage = new MemoryStorage()
  return Promise.resolve({ open: () => Promise.resolve(storage), remove: () => Promise.resolve() })
})
