package fleet

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// callerTimeout bounds the one call to STS. It is there to name the account in
// plans; where STS cannot be reached (a VPC with an endpoint for SSM only) the
// rest works without.
const callerTimeout = 5 * time.Second

// caller is who a provider's credentials are.
type caller struct {
	account   string // "" when not known
	partition string // "" when not known
}

// whoAmI returns what is known of the provider's caller. The first time it asks
// STS, but not about a service on this machine unless STS is there too: its
// keys are not AWS's, and AWS need not hear of them.
func (p *provider) whoAmI(ctx context.Context) caller {
	p.mu.Lock()
	known, asked := p.caller, p.asked
	p.asked = true
	p.mu.Unlock()
	client := sts.NewFromConfig(p.cfg, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
	local := p.endpoint != nil && loopback(p.endpoint.Hostname())
	if asked || (local && client.Options().BaseEndpoint == nil) {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, callerTimeout)
	defer cancel()
	out, err := client.GetCallerIdentity(ctx, nil)
	if err != nil {
		return known
	}
	fields := strings.SplitN(aws.ToString(out.Arn), ":", 3)
	if len(fields) == 3 {
		known.partition = fields[1]
	}
	known.account = aws.ToString(out.Account)
	p.learn(known)
	return known
}

// learn keeps what was found out about the caller.
func (p *provider) learn(c caller) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.caller.account == "" {
		p.caller.account = c.account
	}
	if p.caller.partition == "" {
		p.caller.partition = c.partition
	}
}

// known returns the caller without asking anybody.
func (p *provider) known() caller {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.caller
}
