package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// serveTerminal runs argv on a pty: the kinds Standard_Stream and
// InteractiveCommands. It returns when the pty has no writer left or the
// session is to end. No exit code is ever sent.
func (s *session) serveTerminal(argv []string) error {
	master, slave, err := openTerminal(s.node.account)
	if err != nil {
		return fmt.Errorf("failed to start pty: %w", err)
	}
	defer master.Close()
	p, err := s.spawn(argv, [3]*os.File{slave, slave, slave}, true)
	slave.Close()
	if err != nil {
		return fmt.Errorf("failed to start pty: %w", err)
	}
	stop := context.AfterFunc(s.ctx, func() {
		s.kill(p)
		master.Close()
	})
	defer stop()
	s.setKeyboard(func(payloadType channel.PayloadType, data []byte) error {
		return typeInto(master, payloadType, data)
	})
	if !s.sleep(s.node.agent.FirstOutputDelay) {
		return nil
	}
	out := &stream{s: s, payload: channel.PayloadOutput, pacing: s.node.agent.Pacing}
	// The agent reads through a buffer of this size, so that a message is less
	// than full only at the end of what was there.
	err = out.copy(bufio.NewReaderSize(terminalReader{master}, 4096))
	if s.ctx.Err() != nil {
		return nil
	}
	return err
}

// typeInto is input for a pty: bytes as they are, and the window's size.
func typeInto(master *os.File, payloadType channel.PayloadType, data []byte) error {
	switch payloadType {
	case channel.PayloadOutput:
		if _, err := master.Write(data); err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.EIO) {
			return err
		}
	case channel.PayloadSize:
		size, err := channel.ParseSize(data)
		if err != nil {
			return err
		}
		return resizeTerminal(master, size)
	}
	return nil
}

// terminalReader turns the error that a pty gives when its last writer left
// into the end of the stream.
type terminalReader struct{ master *os.File }

func (r terminalReader) Read(p []byte) (int, error) {
	n, err := r.master.Read(p)
	if errors.Is(err, syscall.EIO) || errors.Is(err, os.ErrClosed) {
		err = io.EOF
	}
	return n, err
}
