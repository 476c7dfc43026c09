package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// resume asks for a new token. Credentials that are refused are got anew, once;
// the channel asks again for as long as it gives an outage. That the session is
// over is told by DoesNotExistException or an empty token.
func (l *line) resume(ctx context.Context) (string, error) {
	var used aws.CredentialsProvider
	if l.p.keys != nil {
		used = l.p.keys.provider()
	}
	token, err := l.askToResume(ctx)
	if err == nil || l.p.keys == nil || !stale(err) {
		return token, explainResume(ctx, err)
	}
	again, renewErr := l.p.keys.renew(ctx, used)
	if renewErr != nil {
		return "", fmt.Errorf("%w: %w", explainResume(ctx, err), renewErr)
	}
	if again {
		token, err = l.askToResume(ctx)
	}
	return token, explainResume(ctx, err)
}

// askToResume makes the call once: the channel has the patience.
func (l *line) askToResume(ctx context.Context) (string, error) {
	out, err := l.p.ssm.ResumeSession(ctx, &ssm.ResumeSessionInput{SessionId: &l.id}, func(o *ssm.Options) {
		o.Retryer = aws.NopRetryer{}
	})
	if err != nil {
		return "", err
	}
	if u := aws.ToString(out.StreamUrl); u != "" {
		l.mu.Lock()
		l.url = NewSecret(u)
		l.mu.Unlock()
	}
	return aws.ToString(out.TokenValue), nil
}

// explainResume says in the channel's words what ResumeSession came to; the
// channel says itself that it was to resume.
func explainResume(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	told := ended(ctx, explain(err))
	_, throttled := retry.DefaultThrottleErrorCodes[apiCode(err)]
	api, answered := errors.AsType[*APIError](told)
	switch {
	case answered && over(api):
		return fmt.Errorf("%w: %w", channel.ErrSessionOver, told)
	case throttled || expired(err):
		return fmt.Errorf("%w: %w", channel.ErrBusy, told)
	case stale(err):
		return fmt.Errorf("%w: %w", channel.ErrRefused, told)
	}
	return told
}

// over reports whether AWS's answer is that there is no such session, or none any
// more.
func over(api *APIError) bool {
	message := strings.ToLower(api.Message)
	return api.Code == "DoesNotExistException" || strings.HasPrefix(api.Code, "InvalidSession") ||
		strings.Contains(message, "already terminated") || strings.Contains(message, "session is terminated")
}
