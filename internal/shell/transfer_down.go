package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Download is a file or directory to fetch from the target.
type Download struct {
	Source string // absolute
	User   string // as for Step
	Grace  time.Duration
	// Limit is how many bytes may come; of a directory, of its archive.
	Limit int64
	// Open names where the bytes go, and how many of them are there already
	// from an earlier session: only of a file with the same digest, and none
	// of a directory, which comes as a tar archive.
	Open     func(Remote) (to Partial, have int64, err error)
	Progress func(done, total int64) // total is 0 when it is not known; may be nil
}

// Remote is what there is to fetch.
type Remote struct {
	Tree   bool
	Size   int64 // of a file
	Digest Digest
}

// Partial takes what comes of a download, behind what it has, and gives it back
// for the check of the whole.
type Partial interface {
	io.Writer
	io.ReaderAt
}

// Downloaded is what became of a download.
type Downloaded struct {
	Remote
	Bytes   int64 // that Partial has
	Resumed int64 // bytes that an earlier session had brought
}

// Download fetches a file as it is, or a directory as a tar archive. The bytes
// that were written are known to be those of the target: each frame carries a
// checksum, and of a file the whole is compared with what the target's own tool
// says. A file that changes meanwhile is an error.
//
// The error is a *TransferError when the transfer has failed, and that of Run
// otherwise; after a *LostError what came is kept.
func (c *Client) Download(ctx context.Context, d Download) (Downloaded, error) {
	t := &transfer{Client: c, user: d.User, grace: d.Grace}
	words, err := t.ask(ctx, "look", d.Source)
	if err != nil {
		return Downloaded{}, err
	}
	done := Downloaded{}
	if len(words) > 0 {
		done.Tree = words[0] == "tree"
		words = words[1:]
	}
	if done.Size, done.Digest, err = described(words); err != nil {
		return done, &TransferError{Err: err}
	}
	if done.Size > d.Limit {
		return done, &TransferError{Err: fmt.Errorf("%s has %d bytes and the limit is %d", d.Source, done.Size, d.Limit)}
	}
	to, have, err := d.Open(done.Remote)
	if err != nil {
		return done, &TransferError{Err: err}
	}
	done.Resumed = have
	err = t.fetch(ctx, d, to, &done)
	return done, err
}

// fetch brings the bytes and checks them.
func (t *transfer) fetch(ctx context.Context, d Download, to Partial, done *Downloaded) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done.Bytes = done.Resumed
	var broken error
	out := writerFunc(func(p []byte) (int, error) {
		if broken == nil && done.Bytes+int64(len(p)) > d.Limit {
			broken = fmt.Errorf("%s is larger than the limit of %d bytes", d.Source, d.Limit)
		}
		if broken == nil {
			_, broken = to.Write(p)
		}
		if broken != nil {
			stop(broken)
			return 0, broken
		}
		done.Bytes += int64(len(p))
		if d.Progress != nil {
			d.Progress(done.Bytes, done.Size)
		}
		return len(p), nil
	})
	name, args := "fetch", []string{d.Source, strconv.FormatInt(done.Resumed, 10)}
	if done.Tree {
		name, args = "archive", []string{d.Source}
	}
	result, err := t.part(ctx, name, args, nil, out)
	if broken != nil {
		return &TransferError{Err: broken}
	}
	if err != nil {
		return err
	}
	return done.check(d.Source, to, result.Stdout)
}

// check says why what came is not what the target has.
func (done *Downloaded) check(source string, content io.ReaderAt, stream Stream) error {
	if !stream.Verified && !done.Digest.Checks() {
		return &TransferError{Err: fmt.Errorf("what came cannot be checked: %w", stream.Defect)}
	}
	if done.Tree {
		return nil
	}
	same := done.Bytes == done.Size
	if same && done.Digest.Checks() {
		var err error
		if same, err = done.Digest.matches(content, done.Size); err != nil {
			return &TransferError{Err: err}
		}
	}
	switch {
	case same:
		return nil
	case !stream.Verified:
		return &TransferError{Err: fmt.Errorf("what came is not what the target has: %w", stream.Defect)}
	}
	return &TransferError{Err: errors.New(source + " has changed while it was read")}
}
