package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// oneTries is how often Begin makes its call at most, as AWS CLI v2 does.
// AWS_MAX_ATTEMPTS and max_attempts of the profile count instead.
const oneTries = 3

// onePause is how long Begin waits before its second try; each further wait is
// twice as long.
const onePause = 500 * time.Millisecond

// Request is a StartSession as a person asks for it. What is nil is not sent,
// and what is sent is as it was given: the reason gets no mark of a run.
type Request struct {
	Target       string
	DocumentName *string
	Reason       *string
	Parameters   map[string][]string
}

// Begun is a session that AWS has started and that is not connected yet.
type Begun struct {
	f       *Fleet
	p       *provider
	call    plan.Call
	started *started
}

// Begin makes one StartSession call that belongs to no run, so that it waits
// for no turn. It is made again after throttling and after errors that came
// before the request was written; not after others, as a second session may
// come of that.
//
// The error is a *RequestError, or about the provider. When ctx ends while the
// call is on its way, Begin still waits a little for the answer and terminates
// a session that was started.
func (f *Fleet) Begin(ctx context.Context, providerKey string, r Request) (*Begun, error) {
	p, err := f.provider(providerKey)
	if err != nil {
		return nil, err
	}
	tries := cmp.Or(p.cfg.RetryMaxAttempts, oneTries)
	for try := 1; ; try++ {
		answer, failure := p.callStartSession(ctx, r.input())
		if failure == nil && ctx.Err() == nil {
			return &Begun{f: f, p: p, call: r.call(providerKey), started: answer}, nil
		}
		if failure == nil {
			care, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterCare)
			defer cancel()
			return nil, errors.Join(ctx.Err(), p.terminate(care, answer.id))
		}
		again := failure.fate == fateThrottled || failure.fate == fateUnsent && !untrusted(failure.cause)
		if !again || try >= tries || !pause(ctx, onePause<<(try-1)) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			e := newRequestError(failure)
			if again {
				e.Retries = try - 1
			}
			return nil, e
		}
	}
}

// input is the request as the API has it.
func (r Request) input() *ssm.StartSessionInput {
	return &ssm.StartSessionInput{
		Target: &r.Target, DocumentName: r.DocumentName, Reason: r.Reason, Parameters: r.Parameters,
	}
}

// call is the request as runs know it.
func (r Request) call(providerKey string) plan.Call {
	call := plan.Call{Provider: providerKey, Target: r.Target, Parameters: r.Parameters}
	if r.DocumentName != nil {
		call.Document = *r.DocumentName
	}
	if r.Reason != nil {
		call.Reason = *r.Reason
	}
	return call
}

// ID returns the session's id.
func (b *Begun) ID() string { return b.started.id }

// Connect opens the session's data channel. The output goes to out from then
// on, but for a port session's, which is read from Session.Port. ctx does not bound the session that is returned.
func (b *Begun) Connect(ctx context.Context, out Output) (*channel.Session, error) {
	b.started.takePort = true
	session, err := b.f.connect(ctx, b.p, b.call, b.started, out)
	if err != nil {
		return nil, fmt.Errorf("connect to session %s: %w", b.started.id, scrub(err, b.started.token, b.started.url))
	}
	return session, nil
}

// Terminate ends the session, as Fleet.Terminate does.
func (b *Begun) Terminate(ctx context.Context) error { return b.p.terminate(ctx, b.started.id) }

// RequestError says that a StartSession of Begin gave no session.
type RequestError struct {
	// Code and Message are AWS's own words, which come from outside. Code is ""
	// when AWS did not answer, or not with an error of its own.
	Code    string
	Message string

	Hint    string // what to do, "" when there is nothing to add
	Retries int    // tries after the first, when all that are allowed were used up
	Err     error
}

func newRequestError(failure *callError) *RequestError {
	e := &RequestError{Err: explain(failure.cause)}
	if api, ok := errors.AsType[smithy.APIError](failure.cause); ok {
		e.Code, e.Message, e.Hint = api.ErrorCode(), api.ErrorMessage(), hints[api.ErrorCode()]
	}
	return e
}

func (e *RequestError) Error() string { return fmt.Sprintf("start session: %v", e.Err) }
func (e *RequestError) Unwrap() error { return e.Err }
