package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ssmrun/ssmrun/internal/channel"
)

// apiCode returns AWS's error code, or "" for an error that is not AWS's.
func apiCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// APIError is what AWS answered, in one line: code, message and request id.
type APIError struct {
	Code      string
	Message   string
	RequestID string
	Hint      string // what to do, "" when there is nothing to add
}

func (e *APIError) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	if e.RequestID != "" {
		text += " [request id " + e.RequestID + "]"
	}
	return text
}

// explain replaces the SDK's layers of error by what AWS said, or by what went
// wrong on the way there.
func explain(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e := &APIError{Code: api.ErrorCode(), Message: strings.TrimSuffix(api.ErrorMessage(), "."), Hint: hints[api.ErrorCode()]}
		if resp, ok := errors.AsType[*awshttp.ResponseError](err); ok {
			e.RequestID = resp.ServiceRequestID()
		}
		return e
	}
	if c, ok := errors.AsType[*smithy.CanceledError](err); ok {
		return c.Err
	}
	if u, ok := errors.AsType[*unansweredError](err); ok {
		return u
	}
	if late, ok := errors.AsType[*channel.TimeoutError](err); ok {
		return &unansweredError{late: late, tries: 1}
	}
	if send, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return send.Err // the SDK wraps it in a response that never came
	}
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return fmt.Errorf("answer %d that is not AWS's: %w", resp.HTTPStatusCode(), resp.Err)
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err
	}
	return err
}

// unansweredError says that AWS, or the way to it, took longer than a call may
// wait. The wait is the one for the last of the tries.
type unansweredError struct {
	late  *channel.TimeoutError
	tries int
}

func (e *unansweredError) Error() string {
	text := e.late.Error()
	if e.tries > 1 {
		text += fmt.Sprintf("; tried %d times", e.tries)
	}
	if e.late.Layer == channel.LayerConnect || e.late.Layer == channel.LayerTLS {
		return text // which says what to check
	}
	return text + ": check the network, the proxy and the endpoint; -cli-read-timeout sets how long an answer is waited for"
}

func (e *unansweredError) Unwrap() error { return e.late }

// ended returns ctx's error when that is why a call failed.
func ended(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	return err
}

// hints say what to do about the errors of AWS that operators meet.
var hints = map[string]string{
	"AccessDeniedException":       "the permissions that ssmrun needs are in docs/aws.md",
	"AccessDenied":                "the permissions that ssmrun needs are in docs/aws.md",
	"ExpiredTokenException":       "the credentials have expired: log in again",
	"ExpiredToken":                "the credentials have expired: log in again",
	"UnrecognizedClientException": "the access key is not known in this partition or region",
	"InvalidClientTokenId":        "the access key is not known in this partition or region",
	"InvalidSignatureException":   "check the secret key and this machine's clock",
	"DisabledException":           "the KMS key is disabled: enable it, or set another in the session preferences",
	"KMSInvalidStateException":    "the KMS key cannot be used in its state, such as pending deletion",
	"TargetNotConnected":          "the agent is not running, cannot reach ssmmessages, or its instance profile lacks the ssmmessages permissions",
}
