package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/ssmrun/ssmrun/internal/plan"
)

var (
	// ErrNoRegion is in the error of Open when nothing says which region.
	ErrNoRegion = errors.New("no region: set region in the provider block, -region, AWS_REGION, " +
		"or region in the profile (aws configure set region ...)")

	// ErrNoCredentials is in the error of Open when no source has any.
	ErrNoCredentials = errors.New("no AWS credentials")
)

// load returns the configuration of one provider. What a provider block says
// wins over the flags, and these over the environment and the shared config
// files.
func (f *Fleet) load(ctx context.Context, spec plan.Provider) (aws.Config, error) {
	if f.opts.Isolated {
		return f.isolated(spec)
	}
	region := cmp.Or(spec.Region, f.opts.Region)
	profile := cmp.Or(spec.Profile, f.opts.Profile)
	cfg, err := config.LoadDefaultConfig(ctx, f.loadOptions(region, profile)...)
	if err != nil {
		return aws.Config{}, explainConfig(err, cmp.Or(profile, os.Getenv("AWS_PROFILE")))
	}
	if cfg.Region == "" {
		return aws.Config{}, ErrNoRegion
	}
	if spec.RoleARN != "" {
		f.assume(&cfg, spec)
	}
	return cfg, nil
}

// loadOptions is what LoadDefaultConfig is told besides what it reads itself.
func (f *Fleet) loadOptions(region, profile string) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(f.credentialClient()),
		config.WithLogger(logging.Nop{}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = f.opts.MFACode
		}),
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	switch {
	case f.opts.NoSignRequest:
		options = append(options, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	case f.opts.Static != nil:
		options = append(options, config.WithCredentialsProvider(f.opts.Static.provider()))
	}
	return options
}

// credentialClient is what the SDK's credential providers talk through. They
// insist on a client that they can add AWS_CA_BUNDLE to. Their calls are few,
// so they keep no connection.
func (f *Fleet) credentialClient() aws.HTTPClient {
	if f.transport == nil {
		return awshttp.NewBuildableClient()
	}
	return awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.TLSClientConfig = f.tls.Clone()
		if f.tls.RootCAs != nil {
			tr.TLSClientConfig.RootCAs = f.tls.RootCAs.Clone() // the SDK appends to it
		}
		tr.Proxy = f.proxy
		tr.DisableKeepAlives = true
	})
}

// isolated returns a configuration made from the options and the provider's region
// alone: no file, no
// variable and no metadata service is read.
func (f *Fleet) isolated(spec plan.Provider) (aws.Config, error) {
	if f.opts.EndpointURL == "" || f.opts.Region == "" || f.opts.Static == nil {
		return aws.Config{}, errors.New("an isolated fleet needs an endpoint, a region and credentials")
	}
	// The cache is a pointer, which a keyring can compare; the SDK's static
	// provider is a struct that cannot be, and config puts a cache around it, too.
	return aws.Config{Region: cmp.Or(spec.Region, f.opts.Region), Credentials: aws.NewCredentialsCache(f.opts.Static.provider())}, nil
}

// assume puts a provider block's assume_role on top of the credentials found.
func (f *Fleet) assume(cfg *aws.Config, spec plan.Provider) {
	base := cfg.Copy()
	base.HTTPClient = f.client
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), spec.RoleARN,
		func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = cmp.Or(spec.RoleSessionName, "ssmrun")
			if spec.ExternalID != "" {
				o.ExternalID = &spec.ExternalID
			}
			if spec.RoleDuration > 0 {
				o.Duration = spec.RoleDuration
			}
		}))
}

// bundles returns the CA bundles to trust: the flag's, or AWS_CA_BUNDLE, or what
// the profiles say in ca_bundle. Data channels trust them like API calls do.
func (f *Fleet) bundles(ctx context.Context, specs []plan.Provider) []string {
	if f.opts.CABundle != "" || f.opts.Isolated {
		return []string{f.opts.CABundle}
	}
	env, err := config.NewEnvConfig()
	if err != nil || env.CustomCABundle != "" {
		return []string{env.CustomCABundle} // an error shows again, with its provider, in load
	}
	var found []string
	for _, spec := range specs {
		profile := cmp.Or(spec.Profile, f.opts.Profile, env.SharedConfigProfile, config.DefaultSharedConfigProfile)
		shared, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
			if env.SharedConfigFile != "" {
				o.ConfigFiles = []string{env.SharedConfigFile}
			}
			if env.SharedCredentialsFile != "" {
				o.CredentialsFiles = []string{env.SharedCredentialsFile}
			}
		})
		if err == nil && !slices.Contains(found, shared.CustomCABundle) {
			found = append(found, shared.CustomCABundle)
		}
	}
	return found
}

func (c *Credentials) provider() aws.CredentialsProvider {
	return credentials.StaticCredentialsProvider{Value: aws.Credentials{
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey.Reveal(),
		SessionToken:    c.SessionToken.Reveal(),
		AccountID:       c.AccountID,
		Source:          "ssmrun",
	}}
}

// checkFlags refuses a -region or -profile that no provider would use.
func (f *Fleet) checkFlags(specs []plan.Provider) error {
	if f.opts.Isolated {
		return nil
	}
	unused := func(flag string, of func(plan.Provider) string) bool {
		return flag != "" && !slices.ContainsFunc(specs, func(p plan.Provider) bool { return of(p) == "" || of(p) == flag })
	}
	const ignored = "-%s=%s would be ignored: every provider block sets its %s to something else"
	if unused(f.opts.Region, func(p plan.Provider) string { return p.Region }) {
		return fmt.Errorf(ignored, "region", f.opts.Region, "region")
	}
	if unused(f.opts.Profile, func(p plan.Provider) string { return p.Profile }) {
		return fmt.Errorf(ignored, "profile", f.opts.Profile, "profile")
	}
	return nil
}

// explainConfig says what is wrong with the shared config files.
func explainConfig(err error, profile string) error {
	if _, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return fmt.Errorf("profile %q is not in the shared config files: "+
			"see `aws configure list-profiles`, or set AWS_CONFIG_FILE", profile)
	}
	return fmt.Errorf("load AWS configuration: %w", err)
}

// explainCredentials says how to get credentials. The SDK's own text ends in
// what the last source of the chain said, usually the metadata service, which
// is seldom the one that was meant.
func explainCredentials(err error) error {
	hint := "set -profile or AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	text := err.Error()
	switch {
	case strings.Contains(text, "SSO") || strings.Contains(text, "sso"):
		hint = "run `aws sso login` with this profile"
	case strings.Contains(text, "AssumeRole"):
		hint = "check that these credentials may assume the role"
	case strings.Contains(text, "no EC2 IMDS role found"):
		return fmt.Errorf("%w: %s (looked in the environment, the shared config files "+
			"and the instance metadata service)", ErrNoCredentials, hint)
	}
	return fmt.Errorf("get AWS credentials: %w (%s)", err, hint)
}

// partitionDomain returns what follows "ssm." in a region's own endpoint. The
// SDK's table of partitions answers, so a new partition needs no change here.
func partitionDomain(ctx context.Context, region string) (string, error) {
	ep, err := ssm.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, ssm.EndpointParameters{Region: &region})
	if err != nil {
		return "", err
	}
	domain, ok := strings.CutPrefix(ep.URI.Host, "ssm.")
	if !ok {
		return "", fmt.Errorf("unexpected endpoint %s", ep.URI.Host)
	}
	return domain, nil
}
