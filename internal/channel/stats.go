package channel

import "sync/atomic"

// Stats counts what one end of a channel has done so far.
type Stats struct {
	MessagesSent     int64 // stream messages sent for the first time
	MessagesReceived int64 // stream messages delivered, each once
	BytesSent        int64 // their payload
	BytesReceived    int64
	Retransmissions  int64 // stream messages sent again
	Duplicates       int64 // stream messages received again
	OutOfOrder       int64 // stream messages received early, kept or refused
	Corrupt          int64 // messages dropped for a wrong digest
	Ignored          int64 // messages of a type this package does not know
	Reconnects       int64 // connections after the first
}

// counters is Stats while it changes.
type counters struct {
	messagesSent, messagesReceived, bytesSent, bytesReceived            atomic.Int64
	retransmissions, duplicates, outOfOrder, corrupt, ignored, attaches atomic.Int64
}

func (c *counters) stats() Stats {
	return Stats{
		MessagesSent:     c.messagesSent.Load(),
		MessagesReceived: c.messagesReceived.Load(),
		BytesSent:        c.bytesSent.Load(),
		BytesReceived:    c.bytesReceived.Load(),
		Retransmissions:  c.retransmissions.Load(),
		Duplicates:       c.duplicates.Load(),
		OutOfOrder:       c.outOfOrder.Load(),
		Corrupt:          c.corrupt.Load(),
		Ignored:          c.ignored.Load(),
		Reconnects:       max(0, c.attaches.Load()-1),
	}
}
