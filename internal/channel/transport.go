package channel

// Frame is one websocket message. A data channel carries exactly one text
// frame in each connection, the first, which holds OpenDataChannel; every other
// frame is binary and holds one Message.
type Frame struct {
	Text bool
	Data []byte
}

// Transport carries frames in order between a client and the service. It is
// all that the data channel asks of a network.
//
// One goroutine at a time may call ReadFrame; WriteFrame and Close may be
// called from any goroutine, at any time.
type Transport interface {
	// ReadFrame waits for the next frame. Its data may be changed by the next
	// call of ReadFrame. After an error every later call fails too.
	ReadFrame() (Frame, error)

	// WriteFrame sends a frame and does not keep its data. That it returned
	// nil says nothing about arrival.
	WriteFrame(Frame) error

	// Close ends both directions and wakes whoever is reading or writing.
	// Calling it again does nothing.
	Close() error
}
