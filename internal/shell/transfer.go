package shell

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A transfer is a series of small steps of its own kind: the first looks at
// what is there, the last puts the whole in its place. What is sent is kept in
// a private directory beside the destination and named by it, so that another
// session goes on where a lost one ended, if it is of the same content. The scripts need test, wc,
// mv, mkdir, chmod and cat, and use more when the target has it.

//go:embed transfer.sh
var transferSh string

// TransferError says that a transfer has failed and that the destination is as
// it was before. What was kept of the content is removed, if the target still
// answers.
type TransferError struct {
	Cancelled bool // the context was done
	Err       error
}

func (e *TransferError) Error() string { return e.Err.Error() }
func (e *TransferError) Unwrap() error { return e.Err }

// abortTime bounds the step that removes what a failed transfer has left.
const abortTime = 15 * time.Second

// transfer is what an upload and a download have in common.
type transfer struct {
	*Client
	user  string
	grace time.Duration
}

// part runs one part of a transfer: the function of transfer.sh with that name.
// An error of the target is a *TransferError with what it said.
func (t *transfer) part(ctx context.Context, name string, args []string, stdin []byte, out io.Writer) (Result, error) {
	stderr := &screen{}
	says := writerFunc(func(p []byte) (int, error) {
		stderr.add(bytes.TrimRight(p, "\n"))
		return len(p), nil
	})
	step := Step{
		Script: []byte(compact(transferSh, true) + name + ` "$@"` + "\n"),
		Args:   args, User: t.user, Stdin: stdin, Grace: t.grace,
	}
	result, err := t.Run(ctx, step, out, says)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) && ctx.Err() != nil:
		return result, &TransferError{Cancelled: true, Err: context.Cause(ctx)}
	case err != nil:
		return result, err
	case result.Cancelled && result.ExitCode != 0:
		return result, &TransferError{Cancelled: true, Err: errors.New("it was stopped")}
	case result.ExitCode != 0:
		said := strings.ReplaceAll(strings.TrimSpace(stderr.String()), "\n", "; ")
		if said == "" {
			said = fmt.Sprintf("the target's shell ended with %d", result.ExitCode)
		}
		return result, &TransferError{Err: errors.New(said)}
	}
	return result, nil
}

// ask runs a part whose output is one line of words.
func (t *transfer) ask(ctx context.Context, name string, args ...string) ([]string, error) {
	var out bytes.Buffer
	if _, err := t.part(ctx, name, args, nil, &out); err != nil {
		return nil, err
	}
	return strings.Fields(out.String()), nil
}

// abort removes what a transfer that failed has left on the target. After a
// loss there is no one to ask, and what is there serves the next attempt.
func (t *transfer) abort(ctx context.Context, cause error, args ...string) {
	if _, failed := errors.AsType[*TransferError](cause); !failed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_, _ = t.part(ctx, "abort", args, nil, nil) // the failure itself is what to tell
}

// Digest is a checksum that the target has made of a file.
type Digest struct {
	Tool  string // sha256sum, shasum, openssl, python3, perl or cksum; none when it has none of them
	Value string // hexadecimal SHA-256, or of cksum the decimal
}

// Checks reports whether the digest says anything of the content.
func (d Digest) Checks() bool { return d.Tool != "" && d.Tool != "none" }

// of returns the same checksum of local bytes.
func (d Digest) of(r io.Reader) (string, error) {
	if d.Tool == "cksum" {
		var sum posixSum
		_, err := io.Copy(&sum, r)
		return strconv.FormatUint(uint64(sum.value()), 10), err
	}
	sum := sha256.New()
	_, err := io.Copy(sum, r)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// matches reports whether the first n bytes of content have the digest.
func (d Digest) matches(content io.ReaderAt, n int64) (bool, error) {
	value, err := d.of(io.NewSectionReader(content, 0, n))
	return err == nil && value == d.Value, err
}

// described are the words that a part has printed: a size, and a digest.
func described(words []string) (size int64, digest Digest, err error) {
	if len(words) == 3 {
		size, err = strconv.ParseInt(words[0], 10, 64)
		digest = Digest{Tool: words[1], Value: words[2]}
	}
	if len(words) != 3 || err != nil || size < 0 {
		return 0, Digest{}, fmt.Errorf("the target's answer %q cannot be read", strings.Join(words, " "))
	}
	return size, digest, nil
}
