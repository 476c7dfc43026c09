package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

// manyTargets is the number above which a yes is not enough: the operator has
// to type how many targets there are.
const manyTargets = 100

// approver asks the operator. Its answers are read from in, one line each.
type approver struct {
	in    *bufio.Reader
	out   io.Writer
	auto  bool // -auto-approve
	input bool // -input: asking is allowed
}

func newApprover(in io.Reader, out io.Writer, auto, input bool) *approver {
	return &approver{in: bufio.NewReader(in), out: out, auto: auto, input: input}
}

// errNoInput says that a question would have to be asked and must not be.
var errNoInput = errors.New("an approval is needed and -input=false forbids asking; add -auto-approve to run without one")

// plan asks whether a plan of that many targets is to be run. A refusal is an
// exitError with the documented code.
func (a *approver) plan(ctx context.Context, targets int) error {
	if a.auto {
		return nil
	}
	if !a.input {
		return exitError{code: outcome.ExitError, err: errNoInput}
	}
	want, ask := "yes", "Only 'yes' is accepted."
	if targets > manyTargets {
		want = strconv.Itoa(targets)
		ask = fmt.Sprintf("This plan has more than %d targets: type how many it has.", manyTargets)
	}
	fmt.Fprintf(a.out, "\nRun this plan on %d %s?\n  %s\n\n  Enter a value: ", targets, plural(targets, "target"), ask)
	answer, err := a.line(ctx)
	if err != nil {
		return err
	}
	if answer != want {
		return exitError{code: outcome.ExitRefused, err: errors.New("not approved: nothing was run")}
	}
	fmt.Fprintln(a.out)
	return nil
}

// question asks something while a run is going on: an approve step or a wave.
func (a *approver) question(ctx context.Context, question string) (bool, error) {
	if a.auto {
		return true, nil
	}
	if !a.input {
		return false, errNoInput
	}
	fmt.Fprintf(a.out, "\n%s\n  Only 'yes' is accepted.\n\n  Enter a value: ", question)
	answer, err := a.line(ctx)
	if err != nil {
		return false, err
	}
	return answer == "yes", nil
}

// line reads one answer. A cancelled ctx stops waiting; the read itself ends
// with the process. The end of input is a refusal.
func (a *approver) line(ctx context.Context) (string, error) {
	type reply struct {
		text string
		err  error
	}
	got := make(chan reply, 1)
	go func() {
		text, err := a.in.ReadString('\n')
		got <- reply{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.out)
		return "", exitError{code: outcome.ExitInterrupted, err: errors.New("interrupted: nothing was run")}
	case r := <-got:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", r.err)
		}
		if r.err != nil {
			fmt.Fprintln(a.out) // nobody typed the end of the line
		}
		return strings.TrimSpace(r.text), nil
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
