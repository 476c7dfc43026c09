package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/ssmrun/ssmrun/internal/plan"
)

const (
	// terminators is how many TerminateSession calls are made at once.
	terminators = 64

	// sweepRounds is how often sessions are listed at most, sweepPause apart:
	// DescribeSessions shows a new session, and the end of one, a little late.
	sweepRounds = 3
	sweepPause  = time.Second

	sessionsPage = 200 // DescribeSessions' maximum
)

// Terminate ends a session. Doing it twice is no error, and neither is a
// session that is not known any more. It is tried again, for long, when AWS
// throttles. AWS answers success without looking: it is no proof that what ran
// on the target has stopped.
func (f *Fleet) Terminate(ctx context.Context, provider, sessionID string) error {
	p, err := f.provider(provider)
	if err != nil {
		return err
	}
	return p.terminate(ctx, sessionID)
}

func (p *provider) terminate(ctx context.Context, sessionID string) error {
	select {
	case p.terminating <- struct{}{}:
		defer func() { <-p.terminating }()
	case <-ctx.Done():
		return fmt.Errorf("terminate session %s: %w", sessionID, ctx.Err())
	}
	_, err := p.ssm.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: &sessionID})
	if err == nil || apiCode(err) == "DoesNotExistException" {
		return nil
	}
	return fmt.Errorf("terminate session %s: %w", sessionID, ended(ctx, explain(err)))
}

// Sweep terminates every active session, of any provider, whose reason carries
// the run's id, and looks again until there is none. It returns the ids that it
// terminated, in order, also beside an error: that some are still active, or
// that a provider could not be asked.
func (f *Fleet) Sweep(ctx context.Context, runID string) ([]string, error) {
	mark := reasonMark(runID)
	ours := func(s *types.Session) bool {
		reason := aws.ToString(s.Reason)
		return strings.HasPrefix(reason, mark) || strings.Contains(reason, " "+mark)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		swept []string
		errs  []error
	)
	asked := map[string]bool{}
	for _, p := range f.sorted() {
		if asked[p.pacedBy()] {
			continue // the same account and region
		}
		asked[p.pacedBy()] = true
		wg.Go(func() {
			ids, err := p.sweep(ctx, nil, ours)
			mu.Lock()
			defer mu.Unlock()
			swept = append(swept, ids...)
			errs = append(errs, err)
		})
	}
	wg.Wait()
	slices.Sort(swept)
	return slices.Compact(swept), errors.Join(errs...)
}

// sweep terminates the active sessions that match, until none is left.
func (p *provider) sweep(ctx context.Context, filters []types.SessionFilter, match func(*types.Session) bool) ([]string, error) {
	var swept []string
	for range sweepRounds {
		ids, err := p.active(ctx, filters, match)
		if err != nil || len(ids) == 0 {
			return swept, err
		}
		var wg sync.WaitGroup
		errs := make([]error, len(ids))
		for i, id := range ids {
			wg.Go(func() { errs[i] = p.terminate(ctx, id) })
		}
		wg.Wait()
		swept = append(swept, ids...)
		if err := errors.Join(errs...); err != nil {
			return swept, err
		}
		if !pause(ctx, sweepPause) {
			return swept, ctx.Err()
		}
	}
	ids, err := p.active(ctx, filters, match)
	if err == nil && len(ids) > 0 {
		err = fmt.Errorf("sessions are still active after TerminateSession: %s", strings.Join(ids, ", "))
	}
	return swept, err
}

// active lists the ids of active sessions that match. DescribeSessions cannot
// filter by reason. It could by owner, but a reason with a run's id in it tells
// more than that, and a filter that is spelled differently than AWS expects
// would hide what is looked for.
func (p *provider) active(ctx context.Context, filters []types.SessionFilter, match func(*types.Session) bool) ([]string, error) {
	in := &ssm.DescribeSessionsInput{State: types.SessionStateActive, Filters: filters, MaxResults: aws.Int32(sessionsPage)}
	var ids []string
	for {
		out, err := p.ssm.DescribeSessions(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("provider %s, region %s: list sessions: %w", p.Key, p.Region, ended(ctx, explain(err)))
		}
		for i := range out.Sessions {
			if s := &out.Sessions[i]; match(s) && s.Status != types.SessionStatusTerminated && s.Status != types.SessionStatusTerminating {
				ids = append(ids, aws.ToString(s.SessionId))
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return ids, nil
		}
		in.NextToken = out.NextToken
	}
}

// sweepReason looks for the session of a call whose answer was not seen, and
// terminates it. A job has one session at a time, so its reason is enough. It
// looks more than once, because the session may only now be coming into being,
// but only once when the caller is on its way out.
func (f *Fleet) sweepReason(ctx context.Context, p *provider, call plan.Call) []string {
	if call.Reason == "" {
		return nil
	}
	care, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterCare)
	defer cancel()
	filters := []types.SessionFilter{{Key: types.SessionFilterKeyTargetId, Value: &call.Target}}
	same := func(s *types.Session) bool { return aws.ToString(s.Reason) == call.Reason }
	for round := range sweepRounds {
		if round > 0 && !pause(ctx, sweepPause) {
			return nil
		}
		swept, err := p.sweep(care, filters, same)
		if err != nil {
			f.logger.Debug("sweep after an ambiguous start", "target", call.Target, "error", err)
		}
		if len(swept) > 0 || err != nil {
			return swept
		}
	}
	return nil
}
