package hclspec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// labKey is how a lab's key may be named: KMS takes an id, an alias, or the ARN of
// either. The lab has one account and takes any region.
var labKey = regexp.MustCompile(`^(arn:aws:kms:[a-z0-9-]+:000000000000:(alias/[A-Za-z0-9/_-]{1,250}|key/[0-9a-f-]{36})|alias/[A-Za-z0-9/_-]{1,250}|[0-9a-f-]{36})$`)

// kms decodes the kms block.
func (d *decoder) kms(block *hcl.Block) *KMS {
	b := d.body(block.Body, "a kms block", block.DefRange, form{attributes: "key_id* state deny require_challenge"})
	k := &KMS{
		State:            b.oneOf("state", "Enabled", "Enabled", "Disabled", "PendingDeletion"),
		RequireChallenge: b.flag("require_challenge", false),
	}
	k.KeyID, _ = b.text("key_id")
	if b.attrs["key_id"] != nil && !labKey.MatchString(k.KeyID) {
		d.complain(b.attrs["key_id"].Expr.Range(), "Invalid KMS key",
			"%q is no key of the lab: write \"alias/NAME\", an id of 36 characters, or the ARN of one in the account 000000000000.", k.KeyID)
	}
	v, ok := b.literal("deny", cty.List(cty.String))
	if !ok {
		return k
	}
	operations := []string{"GenerateDataKey", "Decrypt"}
	for _, element := range v.AsValueSlice() {
		if element.IsNull() || !slices.Contains(operations, element.AsString()) {
			d.complain(b.attrs["deny"].Expr.Range(), "Invalid value", "\"deny\" has %s in it, and can have %s.", shown(element), quoted(operations, "and"))
			continue
		}
		k.Deny = append(k.Deny, element.AsString())
	}
	return k
}

// declaredKey is a key's first kms block.
type declaredKey struct {
	kms *KMS
	rng hcl.Range
}

// sameKey complains when a key has another state in another block: there is one
// of it. Whether agents require the challenge is theirs to say.
func (l *labDecoder) sameKey(k *KMS, rng hcl.Range) {
	name := strings.TrimPrefix(k.KeyID[strings.LastIndexByte(k.KeyID, ':')+1:], "key/")
	first, ok := l.keys[name]
	if !ok {
		l.keys[name] = declaredKey{k, rng}
		return
	}
	if k.State != first.kms.State || !slices.Equal(k.Deny, first.kms.Deny) {
		l.d.complain(rng, "Conflicting kms blocks",
			"%q has another state or deny at %s. A key is the same for everybody: write the same, or use another key.", k.KeyID, place(first.rng))
	}
}
