package exec

import (
	"fmt"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/event"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// How step_output events are coalesced: one says all that was added in
// outputEvery, unless outputBytes came sooner.
const (
	outputEvery = 100 * time.Millisecond
	outputBytes = 64 << 10
)

// stepOutput takes the two streams of an attempt to the recordings that are
// judged, and masked to the files that are kept.
type stepOutput struct {
	stdout, stderr *outputStream
}

// openOutput makes the places for an attempt's output. For a sensitive step
// nothing is kept, and nothing is opened.
func (r *run) openOutput(job *plan.Job, step *plan.Step, attempt int) (*stepOutput, error) {
	o := &stepOutput{}
	recordOut, recordErr := r.eval.Record(job, step, r.facts)
	o.stdout = &outputStream{name: "stdout", recording: recordOut}
	o.stderr = &outputStream{name: "stderr", recording: recordErr}
	if r.opts.Outputs == nil || step.Sensitive {
		return o, nil
	}
	out, err, openErr := r.opts.Outputs.Open(job, step, attempt)
	if openErr != nil {
		return nil, fmt.Errorf("open output files of %s: %w", stepAddress(job, step), openErr)
	}
	ident := stepIdent(job, step, attempt)
	o.stdout.keep(out, r.opts.Redactor, r.log, ident)
	o.stderr.keep(err, r.opts.Redactor, r.log, ident)
	return o, nil
}

// close ends both streams: what was held back for masking is written, what was
// written is announced, and later writes are dropped. It returns the first
// error of a file.
func (o *stepOutput) close() error {
	err := o.stdout.close()
	if err2 := o.stderr.close(); err == nil {
		err = err2
	}
	return err
}

// outputStream is one stream of an attempt. Its Write never fails: that a file
// is full must not hide how the command ended. The error is close's to tell.
type outputStream struct {
	name string

	mu        sync.Mutex // protects what follows, also against writes after close
	recording *plan.Recording
	written   int64
	closed    bool
	err       error

	// Of a stream that is kept:
	file      Stream
	masked    *event.MaskWriter
	log       *event.Log
	ident     event.Step
	announced int64
	timer     *time.Timer // nil when no announcement is due
}

func (s *outputStream) keep(file Stream, red *event.Redactor, log *event.Log, ident event.Step) {
	s.file, s.masked, s.log, s.ident = file, red.Writer(file), log, ident
}

// Write takes the next bytes of the stream.
func (s *outputStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return len(p), nil
	}
	s.written += int64(len(p))
	s.recording.Write(p)
	if s.file == nil || s.err != nil {
		return len(p), nil
	}
	if _, err := s.masked.Write(p); err != nil {
		s.err = err
		return len(p), nil
	}
	if s.file.Kept()-s.announced >= outputBytes {
		s.announce()
	} else if s.timer == nil {
		s.timer = time.AfterFunc(outputEvery, s.due)
	}
	return len(p), nil
}

func (s *outputStream) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.announce()
	}
}

// announce emits what was added since the last time. The lock is held: events
// of one stream are in the order of their offsets, and Emit does not wait.
func (s *outputStream) announce() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	kept := s.file.Kept()
	if kept == s.announced {
		return
	}
	s.log.Emit(event.StepOutput{Step: s.ident, Stream: s.name, Offset: s.announced, Length: kept - s.announced})
	s.announced = kept
}

func (s *outputStream) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.err
	}
	s.closed = true
	if s.file == nil {
		return nil
	}
	if err := s.masked.Close(); err != nil && s.err == nil {
		s.err = err
	}
	if err := s.file.Close(); err != nil && s.err == nil {
		s.err = err
	}
	s.announce()
	return s.err
}

// streamCounts is what step_complete says of a stream.
type streamCounts struct {
	written, kept int64 // what was seen of the command's bytes, what is in the file
	sha256        string
	masked, cut   bool
}

func (s *outputStream) counts() streamCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := streamCounts{written: s.written}
	if s.file != nil {
		c.kept, c.sha256, c.cut, c.masked = s.file.Kept(), s.file.SHA256(), s.file.Cut(), s.masked.Masked()
	}
	return c
}
