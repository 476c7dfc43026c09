package plan

import (
	"strings"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// defaultProvider is the key of the provider that serves what names none.
const defaultProvider = "aws"

// defaultStartRate leaves a third of what AWS allows to people.
const defaultStartRate = 2

// Providers returns the provider instances, in source order, for_each keys
// sorted. A runbook without a default provider block has one all the same,
// `aws`, with everything from the environment.
func (e *Evaluator) Providers() []Provider { return e.providers }

func (e *Evaluator) evaluateProviders(found *problems) []Provider {
	var list []Provider
	seen := map[string]bool{}
	for _, decl := range e.rb.Providers {
		a := attributes{scope: e.before, problems: found}
		key := decl.Name
		if decl.Alias != "" {
			key += "." + decl.Alias
		}
		instances, _ := a.instances(decl.ForEach, nil)
		for _, instance := range instances {
			p := e.provider(decl, attributes{scope: instance.scope, problems: found})
			p.Key = key + instance.suffix()
			if seen[p.Key] {
				found.errorf(decl.Range, "Two providers of one name", "The provider %s is declared twice. Give one of them an alias.", p.Key)
			}
			seen[p.Key] = true
			list = append(list, p)
		}
	}
	if !seen[defaultProvider] {
		list = append(list, Provider{Key: defaultProvider, StartRate: defaultStartRate, SignDataChannel: "auto"})
	}
	return list
}

func (e *Evaluator) provider(decl *hclspec.Provider, a attributes) Provider {
	p := Provider{
		Region:          a.text("region", decl.Region, ""),
		Profile:         a.text("profile", decl.Profile, ""),
		StartRate:       a.number("start_rate", decl.StartRate, defaultStartRate, 0.01),
		SignDataChannel: a.oneOf("sign_data_channel", decl.SignDataChannel, "auto", "on", "off"),
	}
	p.RequireEncryption, p.KMSKeyID = a.encryption(decl.RequireEncryption, decl.KMSKeyID)
	if role := decl.AssumeRole; role != nil {
		p.RoleARN = a.text("role_arn", role.RoleARN, "")
		p.RoleSessionName = a.text("session_name", role.SessionName, "")
		p.RoleDuration = a.timeout("duration", role.Duration, 0)
		a.sensitiveOK = true // an external id is as good as a password to some, and is sent to STS alone
		p.ExternalID = a.text("external_id", role.ExternalID, "")
	}
	return p
}

// providerKey returns the key of the provider that a reference means, and
// false when there is none, which is a problem.
func (e *Evaluator) providerKey(ref *hclspec.ProviderRef, a attributes) (string, bool) {
	if ref == nil {
		return defaultProvider, true
	}
	key := ref.Name
	if ref.Alias != "" {
		key += "." + ref.Alias
	}
	if ref.Key != nil {
		index := a.text("provider", ref.Key, "")
		if index == "" {
			return "", false
		}
		key += bracketed(index)
	}
	for _, p := range e.providers {
		if p.Key == key {
			return key, true
		}
	}
	var keys []string
	for _, p := range e.providers {
		keys = append(keys, p.Key)
	}
	a.problems.errorf(ref.Range, "No such provider", "There is no provider %s. The runbook has %s.", key, strings.Join(keys, ", "))
	return "", false
}
