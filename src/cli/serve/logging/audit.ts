/** The audit trail of sessions (gateway/audit-trail.ts), as events of the log. */

import type { AuditEvent } from '../../../gateway/audit-trail.ts'
import type { EventLog } from './event-log.ts'

export function logAudit(log: EventLog, event: AuditEvent): void {
  switch (event.type) {
    case 'established':
      return log.write('session-established', event.session)
    case 'moved':
      return log.write('session-moved', { ...event.session, how: event.how, from: event.from })
    case 'many-moved': {
      const { sessions, how, from } = event
      return log.write('sessions-moved', { sessions: sessions.map(String), count: sessions.length, how, from })
    }
    case 'ended': {
      const { session } = event
      const { beganAt } = session
      const isKnown = beganAt !== 0
      const began = isKnown ? new Date(beganAt).toISOString() : null
      const seconds = isKnown ? Math.max(0, Math.round((Date.now() - beganAt) / 1000)) : null
      return log.write('session-ended', { ...session, ...event.traffic, reason: event.reason, began, seconds })
    }
  }
}
