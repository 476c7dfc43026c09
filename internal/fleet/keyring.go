package fleet

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// renewPause is how long renewed credentials are not renewed again: a thousand
// sessions that lose one network find out together that they have expired.
const renewPause = 2 * time.Second

// keyring is a provider's credentials, which can be got anew from where they came
// from. The SDK refreshes what it knows the expiry of; it does not look again at
// a file that somebody has logged in to, nor believe a service that calls
// credentials expired which by this machine's clock are not.
type keyring struct {
	load func(context.Context) (aws.CredentialsProvider, error)

	renewing sync.Mutex // held while they are got anew

	mu      sync.Mutex // protects what follows
	current aws.CredentialsProvider
	renewed time.Time
}

func (k *keyring) provider() aws.CredentialsProvider {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Retrieve returns the credentials to sign with.
func (k *keyring) Retrieve(ctx context.Context) (aws.Credentials, error) {
	return k.provider().Retrieve(ctx)
}

// ProviderSources tells the SDK's user agent where they come from.
func (k *keyring) ProviderSources() []aws.CredentialSource {
	if source, ok := k.provider().(aws.CredentialProviderSource); ok {
		return source.ProviderSources()
	}
	return nil
}

// renew gets the credentials anew, unless used, which were refused, are not the
// present ones any more. It reports whether it is worth trying again.
func (k *keyring) renew(ctx context.Context, used aws.CredentialsProvider) (bool, error) {
	k.renewing.Lock()
	defer k.renewing.Unlock()
	k.mu.Lock()
	present, fresh := k.current == used, time.Since(k.renewed) < renewPause
	k.mu.Unlock()
	switch {
	case !present:
		return true, nil
	case fresh:
		return false, nil
	}
	loaded, err := k.load(ctx)
	if err == nil {
		_, err = loaded.Retrieve(ctx)
	}
	if err != nil {
		return false, explainCredentials(err)
	}
	k.mu.Lock()
	k.current, k.renewed = loaded, time.Now()
	k.mu.Unlock()
	return true, nil
}

// staleCodes are what AWS calls credentials that were good once, or should be.
var staleCodes = map[string]bool{
	"ExpiredToken":                true,
	"ExpiredTokenException":       true,
	"RequestExpired":              true,
	"InvalidClientTokenId":        true,
	"UnrecognizedClientException": true,
	"InvalidSignatureException":   true,
	"AccessDenied":                true, // a role's policy that has changed, too
	"AccessDeniedException":       true,
}

// expired reports whether the credentials are those of nobody, so that somebody who
// logs in again mends it; the others of stale are not allowed what they ask for.
func expired(err error) bool {
	code := apiCode(err)
	return staleCodes[code] && code != "AccessDenied" && code != "AccessDeniedException"
}

// stale reports whether other credentials might get another answer.
func stale(err error) bool {
	if staleCodes[apiCode(err)] {
		return true
	}
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && (resp.HTTPStatusCode() == http.StatusForbidden || resp.HTTPStatusCode() == http.StatusUnauthorized)
}
