package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

const (
	// throttleTries and sendTries bound how often one call is tried.
	throttleTries = 30
	sendTries     = 4

	// answerGrace is how long the answer to a call that was sent is waited for
	// when the caller's context has ended. Knowing that a session was started,
	// and terminating it, beats not knowing.
	answerGrace = 5 * time.Second

	// afterCare bounds what is done about a start that went wrong, also when
	// the caller's context has ended.
	afterCare = 10 * time.Second
)

// Start waits for the call's turn, starts the session and opens its channel.
// The session's output goes to out from then on. progress, which may be nil, is
// told what is waited for, from the calling goroutine.
//
// The error is a *StartError, or about the provider. When ctx ends while a call
// is on its way, Start still waits a little for the answer, and terminates a
// session that was started. ctx does not bound a session that was returned.
func (f *Fleet) Start(ctx context.Context, call plan.Call, out Output, progress func(plan.Progress)) (*channel.Session, error) {
	p, err := f.provider(call.Provider)
	if err != nil {
		return nil, err
	}
	started, startErr := f.startSession(ctx, p, call, progress)
	if startErr != nil {
		if startErr.ambiguous {
			startErr.Swept = f.sweepReason(ctx, p, call)
		}
		return nil, startErr
	}
	started.takePort = call.Port
	session, err := f.connect(ctx, p, call, started, out)
	if err != nil {
		return nil, f.abandon(ctx, p, call, started, err)
	}
	return session, nil
}

// startSession makes the call, again after throttling and after errors that
// came before the request was written, and never otherwise.
func (f *Fleet) startSession(ctx context.Context, p *provider, call plan.Call, progress func(plan.Progress)) (*started, *StartError) {
	pacer := f.pacer(p)
	if err := pacer.wait(ctx, progress); err != nil {
		return nil, &StartError{Target: call.Target, Code: CodeCancelled, Err: fmt.Errorf("wait for StartSession quota: %w", err)}
	}
	unsent := 0
	for tries := 1; ; tries++ {
		if ctx.Err() != nil {
			return nil, &StartError{Target: call.Target, Code: CodeCancelled, Err: ctx.Err()}
		}
		sent := time.Now()
		result, err := p.callStartSession(ctx, callInput(call))
		if err == nil {
			return result, nil
		}
		startErr := &StartError{Target: call.Target, Code: err.code(), Err: explain(err.cause), ambiguous: err.fate == fateUnknown}
		switch {
		case err.fate == fateThrottled && tries < throttleTries:
			pacer.throttled(sent)
			if err := pacer.again(ctx, progress); err != nil {
				startErr.Code = CodeCancelled
				return nil, startErr
			}
		case err.fate == fateUnsent && unsent < sendTries-1 && !untrusted(err.cause):
			if !pause(ctx, 200*time.Millisecond<<unsent) {
				startErr.Code = CodeCancelled
				return nil, startErr
			}
			unsent++
		default:
			return nil, startErr
		}
	}
}

// untrusted reports whether the other end's certificate was refused. Asking
// again does not change it.
func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// pause waits, or returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// started is what AWS answered to StartSession.
type started struct {
	id    string
	token Secret
	url   Secret

	takePort bool // the bytes of a port session are for Session.Port
}

// callStartSession makes one call, with no retry below it.
func (p *provider) callStartSession(ctx context.Context, in *ssm.StartSessionInput) (*started, *callError) {
	ctx, cancel := outlive(ctx, answerGrace)
	defer cancel()
	var wire wire
	out, err := p.ssm.StartSession(httptrace.WithClientTrace(ctx, wire.trace()), in, func(o *ssm.Options) {
		o.Retryer = aws.NopRetryer{}
	})
	if err != nil {
		return nil, &callError{cause: err, fate: wire.fate(err)}
	}
	s := &started{id: aws.ToString(out.SessionId), token: NewSecret(aws.ToString(out.TokenValue)), url: NewSecret(aws.ToString(out.StreamUrl))}
	if s.id == "" || s.token.Empty() || s.url.Empty() {
		return nil, &callError{cause: errors.New("the answer lacks a session id, a token or a stream URL"), fate: fateUnknown}
	}
	return s, nil
}

// callInput is a call as the API has it.
func callInput(call plan.Call) *ssm.StartSessionInput {
	in := &ssm.StartSessionInput{Target: &call.Target, Parameters: call.Parameters}
	if call.Document != "" {
		in.DocumentName = &call.Document
	}
	if call.Reason != "" {
		in.Reason = &call.Reason
	}
	return in
}

// outlive returns a context that ends grace after ctx does.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// fate is what is known of a StartSession call that gave an error.
type fate int

const (
	fateRefused   fate = iota // AWS, or this process, said no
	fateThrottled             // AWS said no for now
	fateUnsent                // no connection, or one that did not take the request
	fateUnknown               // sent, and no answer that settles it
)

type callError struct {
	cause error
	fate  fate
}

func (e *callError) code() string {
	if code := apiCode(e.cause); code != "" {
		return code
	}
	if e.fate == fateUnknown {
		return CodeNoAnswer
	}
	return CodeUnsent
}

// wire records how far a request got. net/http calls its hooks from several
// goroutines.
type wire struct {
	mu      sync.Mutex // protects what follows
	asked   bool       // a connection was asked for
	got     bool       // and there was one
	refused bool       // which did not take the whole request
}

func (w *wire) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = true
		},
		GotConn: func(httptrace.GotConnInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.got, w.refused = true, false
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused = info.Err != nil
		},
	}
}

// fate judges an error. A request that was cut short is one that the service
// cannot act on: its Content-Length says that more was to come. One that was
// answered was not cut short, whatever the hook says: the SDK closes the body
// behind the answer, and a writer that looks for its end then takes that for a
// failure.
func (w *wire) fate(err error) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	status := 0
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = resp.HTTPStatusCode()
	}
	_, throttle := retry.DefaultThrottleErrorCodes[apiCode(err)]
	switch {
	case throttle || status == http.StatusTooManyRequests:
		return fateThrottled
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return fateRefused
	case !w.asked:
		return fateRefused // it did not get as far as the network
	case status == 0 && (!w.got || w.refused):
		return fateUnsent
	}
	return fateUnknown
}

// abandon terminates a session that was started and cannot be used.
func (f *Fleet) abandon(ctx context.Context, p *provider, call plan.Call, s *started, err error) error {
	care, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterCare)
	defer cancel()
	e := &StartError{Target: call.Target, Code: CodeConnect, SessionID: s.id, Err: scrub(err, s.token, s.url), ambiguous: p.runsAlone(call)}
	if _, ok := errors.AsType[*streamURLError](err); ok {
		e.Code = CodeStreamURL
	} else if ctx.Err() != nil {
		e.Code, e.Err = CodeCancelled, ctx.Err()
	}
	e.TerminateErr = p.terminate(care, s.id)
	return e
}

// runsAlone reports whether what travels in a call may run on the target
// before a client has said anything. A shell session runs nothing by itself, and
// for NonInteractiveCommands and Port the agent waits for the handshake; an
// InteractiveCommands document starts as soon as the agent does.
func (p *provider) runsAlone(call plan.Call) bool {
	p.mu.Lock()
	sessionType, known := p.sessionTypes[call.Document]
	p.mu.Unlock()
	if !known {
		return call.Document != "" && len(call.Parameters) > 0
	}
	return sessionType == "InteractiveCommands"
}
