package runstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"sync"
)

// Stream takes one stream of an attempt. It keeps the first bytes, up to its
// limit, and counts all.
type Stream struct {
	run   *Run
	dir   *os.Root // of the session block
	name  string   // in dir
	limit int64

	mu sync.Mutex
	// mu protects:
	file    *os.File // nil while it takes no descriptor
	created bool
	closed  bool
	total   int64
	kept    int64
	sum     hash.Hash
	err     error // the first one
}

func newStream(r *Run, dir *os.Root, name string) *Stream {
	return &Stream{run: r, dir: dir, name: name, limit: DefaultMaxOutput, sum: sha256.New()}
}

// Write keeps p as far as the limit allows; the rest is counted. It returns
// len(p), or the error of the file, the same one from then on: a full disk
// leaves the bytes before it in place.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.closed {
		return 0, fmt.Errorf("write %s: %w", s.name, os.ErrClosed)
	}
	keep := p[:max(0, min(int64(len(p)), s.limit-s.kept))]
	if len(keep) > 0 {
		n, err := s.write(keep)
		s.kept += int64(n)
		s.sum.Write(keep[:n])
		if err != nil {
			s.total += int64(n)
			s.err = fmt.Errorf("write output: %w", err)
			return n, s.err
		}
	}
	s.total += int64(len(p))
	return len(p), nil
}

// write is called with mu held.
func (s *Stream) write(p []byte) (int, error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	return s.file.Write(p)
}

// open is called with mu held. It sees that there is a file to write to.
func (s *Stream) open() error {
	if s.file != nil {
		s.run.files.used(s)
		return nil
	}
	var err error
	if s.created {
		s.file, err = s.dir.OpenFile(s.name, os.O_WRONLY|os.O_APPEND, 0)
	} else {
		s.file, err = createFile(s.dir, s.name)
	}
	if err != nil {
		return err
	}
	s.created = true
	s.run.files.used(s)
	return nil
}

// Close makes the file if there was nothing to write, and closes it. It returns
// the first error of the stream.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.err
	}
	s.closed = true
	if s.err == nil && !s.created {
		if err := s.open(); err != nil {
			s.err = fmt.Errorf("write output: %w", err)
		}
	}
	s.run.files.forget(s)
	s.release()
	return s.err
}

// release is called with mu held. It gives the descriptor back.
func (s *Stream) release() {
	if s.file == nil {
		return
	}
	if err := s.file.Close(); err != nil && s.err == nil {
		s.err = fmt.Errorf("write output: %w", err)
	}
	s.file = nil
}

// Kept returns how many bytes are in the file.
func (s *Stream) Kept() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// Total returns how many bytes were written, kept or not.
func (s *Stream) Total() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Cut reports whether the limit was reached and bytes are missing.
func (s *Stream) Cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept < s.total
}

// SHA256 returns the digest of the file's bytes so far, in hex.
func (s *Stream) SHA256() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hex.EncodeToString(s.sum.Sum(nil))
}
