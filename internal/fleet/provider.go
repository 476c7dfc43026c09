package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/logging"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// provider is one provider block, opened.
type provider struct {
	plan.Provider
	cfg        aws.Config
	keys       *keyring // cfg's credentials; nil: nothing is signed
	ssm        *ssm.Client
	tagging    *resourcegroupstaggingapi.Client
	kms        *kms.Client
	endpoint   *url.URL // set when the SSM endpoint was overridden
	everything string   // the endpoint of all services, when that was overridden
	domain     string   // REGION.amazonaws.com, or what the partition has for it
	keyedBy    string   // what tells its credentials from others', for pacing
	unsigned   bool     // nothing is signed

	wantsSigned atomic.Bool // a data channel was refused until it was signed

	inventory   inventory
	pings       pings
	terminating chan struct{} // one slot for each call to TerminateSession
	documents   memo[plan.Document]

	mu           sync.Mutex // protects what follows
	caller       caller
	asked        bool              // caller was asked for, with or without success
	sessionTypes map[string]string // of documents that were read
}

// provider returns an opened provider.
func (f *Fleet) provider(key string) (*provider, error) {
	if p, ok := f.providers[key]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("provider %s is not open", key)
}

// openProvider loads one provider's configuration and gets its credentials.
func (f *Fleet) openProvider(ctx context.Context, spec plan.Provider) (*provider, error) {
	cfg, err := f.load(ctx, spec)
	if err != nil {
		return nil, err
	}
	cfg.HTTPClient = f.client
	cfg.Retryer = newRetryer
	cfg.Logger = logging.Nop{} // the SDK's own lines would go to standard error
	p := &provider{
		Provider:     spec,
		cfg:          cfg,
		sessionTypes: map[string]string{},
		terminating:  make(chan struct{}, terminators),
		unsigned:     f.opts.NoSignRequest,
	}
	if !p.unsigned {
		p.keys = &keyring{current: cfg.Credentials, load: func(ctx context.Context) (aws.CredentialsProvider, error) {
			again, err := f.load(ctx, spec)
			return again.Credentials, err
		}}
		cfg.Credentials, p.cfg.Credentials = p.keys, p.keys
	}
	p.Region = cfg.Region
	var override *string
	if f.opts.EndpointURL != "" {
		override = &f.opts.EndpointURL
	}
	p.everything = aws.ToString(cmp.Or(override, cfg.BaseEndpoint))
	p.ssm = ssm.NewFromConfig(cfg, func(o *ssm.Options) {
		o.BaseEndpoint = cmp.Or(override, o.BaseEndpoint)
	})
	p.tagging = resourcegroupstaggingapi.NewFromConfig(cfg, func(o *resourcegroupstaggingapi.Options) {
		o.BaseEndpoint = cmp.Or(override, o.BaseEndpoint)
	})
	p.kms = kms.NewFromConfig(cfg, func(o *kms.Options) {
		o.BaseEndpoint = cmp.Or(override, o.BaseEndpoint)
	})
	p.inventory.init(p)
	if err := p.locate(ctx); err != nil {
		return nil, err
	}
	if !f.opts.NoSignRequest {
		creds, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return nil, explainCredentials(err)
		}
		p.caller.account = creds.AccountID
	}
	if f.opts.Isolated {
		p.asked = true // there is nobody else to ask
	}
	p.keyedBy = fmt.Sprintf("profile=%q role=%q static=%t",
		cmp.Or(spec.Profile, f.opts.Profile), spec.RoleARN, f.opts.Static != nil)
	return p, nil
}

// locate finds out where the provider's data channels may be.
func (p *provider) locate(ctx context.Context) error {
	if base := p.ssm.Options().BaseEndpoint; base != nil {
		u, err := url.Parse(*base)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return errors.New("endpoint URL: want http:// or https:// and a host")
		}
		p.endpoint = u
	}
	domain, err := partitionDomain(ctx, p.Region)
	if err != nil && p.endpoint == nil {
		return fmt.Errorf("region %q: %w", p.Region, err)
	}
	p.domain = domain
	return nil
}

// Open loads the configuration and the credentials of every provider. Nothing
// else is asked of AWS. An error names the provider and what to set; ctx bounds
// what credentials need (a role to assume, a metadata service to ask). Without
// providers the default one, "aws", is opened, and no error names it.
func (f *Fleet) Open(ctx context.Context, providers []plan.Provider) error {
	named := len(providers) > 0
	if !named {
		providers = []plan.Provider{{Key: "aws"}}
	}
	if err := f.checkFlags(providers); err != nil {
		return err
	}
	if f.client == nil {
		if err := f.openTransport(ctx, providers); err != nil {
			return err
		}
	}
	opened := map[string]*provider{}
	var errs []error
	for _, spec := range providers {
		p, err := f.openProvider(ctx, spec)
		if err != nil {
			if named {
				err = fmt.Errorf("provider %s: %w", spec.Key, err)
			}
			errs = append(errs, err)
			continue
		}
		opened[spec.Key] = p
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	f.providers = opened
	return nil
}

// openTransport makes the one HTTP client.
func (f *Fleet) openTransport(ctx context.Context, specs []plan.Provider) error {
	if f.proxy == nil {
		f.proxy = http.ProxyFromEnvironment
	}
	if f.opts.Isolated {
		f.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	conf, err := trust(f.opts.NoVerifySSL, f.bundles(ctx, specs)...)
	if err != nil {
		return err
	}
	if f.opts.NoVerifySSL {
		f.logger.Warn("TLS certificates are not verified: anybody on the way can take over sessions")
	}
	f.tls = conf
	f.transport = f.newTransport(conf)
	f.client = f.newClient(f.transport)
	return nil
}

// sorted returns the opened providers by key.
func (f *Fleet) sorted() []*provider {
	var ps []*provider
	for _, p := range f.providers {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *provider) int { return cmp.Compare(a.Key, b.Key) })
	return ps
}
