package fleet

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/ssmrun/ssmrun/internal/channel"
)

const (
	patience        = 12 // tries of a call that is throttled
	otherTries      = 3  // tries of a call that fails otherwise, as in the AWS CLI
	unansweredTries = 2  // tries of a call that is not answered in time: each waits for a minute
	retryMaxPause   = 10 * time.Second
	throttledPause  = 500 * time.Millisecond
)

// retryer is for every call but StartSession. Throttling is waited out: a run
// that ends a thousand sessions is throttled a lot, and each of them has to be
// told all the same. For that reason the SDK's budget of retries is off, too.
// Other failures are not: a service that is not there is told soon, and one
// that takes a call and does not answer it does so as a rule.
type retryer struct{ *retry.Standard }

func newRetryer() aws.Retryer {
	return retryer{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = patience
		o.MaxBackoff = retryMaxPause
		o.RateLimiter = ratelimit.None
	})}
}

// RetryDelay returns how long to wait before the next try, or err when there
// is to be none.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	delay, delayErr := r.Standard.RetryDelay(attempt, err)
	if delayErr != nil {
		return 0, delayErr
	}
	if _, throttle := retry.DefaultThrottleErrorCodes[apiCode(err)]; throttle {
		return delay + throttledPause, nil
	}
	if late, ok := errors.AsType[*channel.TimeoutError](err); ok && attempt >= unansweredTries {
		return 0, &unansweredError{late: late, tries: attempt}
	}
	if attempt >= otherTries {
		return 0, err
	}
	return delay, nil
}
