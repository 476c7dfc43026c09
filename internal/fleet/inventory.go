package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

const (
	pageSize   = 50  // DescribeInstanceInformation's maximum
	maxValues  = 100 // of one filter
	listersMax = 4   // listings and look-ups of one provider at the same time

	// bisectMax is how many calls may be spent on finding the bad ids of one
	// selection. One bad id costs about eleven; beyond this a listing of
	// everything is cheaper and cannot fail.
	bisectMax = 64
)

// node is what DescribeInstanceInformation says of one managed node, as far as
// it is used: ten thousand of them are kept.
type node struct {
	id, platform, ip, ping, agent string
	name                          string // given at activation; EC2 instances have none
	computer                      string // the host name that the agent reports
	lastPing                      int64  // milliseconds since 1970, 0 when not known
}

// pinged is when AWS heard of the node's agent last.
func (n node) pinged() time.Time {
	if n.lastPing == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n.lastPing)
}

// inventory answers which nodes a provider has. Each listing is asked for once.
type inventory struct {
	p      *provider
	nodes  memo[[]node]
	ids    memo[identified]
	tags   memo[map[string]map[string]string]
	groups memo[map[string]bool]
	slots  chan struct{}
}

func (inv *inventory) init(p *provider) {
	inv.p = p
	inv.slots = make(chan struct{}, listersMax)
}

// enter takes one of the provider's slots; leave gives it back.
func (inv *inventory) enter(ctx context.Context) error {
	select {
	case inv.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (inv *inventory) leave() { <-inv.slots }

// all lists every node.
func (inv *inventory) all(ctx context.Context) ([]node, error) {
	return inv.list(ctx, nil)
}

// tagged lists the nodes that have all of the tags, each with one of the
// values. The caller has checked that no value has a wildcard and that there is
// at least one value; key alone (no values) asks for the key.
func (inv *inventory) tagged(ctx context.Context, tags map[string][]string) ([]node, error) {
	var filters []types.InstanceInformationStringFilter
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		f := types.InstanceInformationStringFilter{Key: aws.String("tag:" + key), Values: tags[key]}
		if len(tags[key]) == 0 {
			f = types.InstanceInformationStringFilter{Key: aws.String("tag-key"), Values: []string{key}}
		}
		filters = append(filters, f)
	}
	return inv.list(ctx, filters)
}

func (inv *inventory) list(ctx context.Context, filters []types.InstanceInformationStringFilter) ([]node, error) {
	return inv.nodes.get(ctx, memoKey(filters), func() ([]node, error) {
		if err := inv.enter(ctx); err != nil {
			return nil, err
		}
		defer inv.leave()
		return inv.pages(ctx, filters)
	})
}

// pages reads one listing to its end. A page may be empty and still not the
// last: only a missing token ends it.
func (inv *inventory) pages(ctx context.Context, filters []types.InstanceInformationStringFilter) ([]node, error) {
	in := &ssm.DescribeInstanceInformationInput{Filters: filters, MaxResults: aws.Int32(pageSize)}
	var nodes []node
	for {
		out, err := inv.p.ssm.DescribeInstanceInformation(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range out.InstanceInformationList {
			nodes = append(nodes, newNode(&out.InstanceInformationList[i]))
		}
		if aws.ToString(out.NextToken) == "" {
			return nodes, nil
		}
		in.NextToken = out.NextToken
	}
}

func newNode(info *types.InstanceInformation) node {
	n := node{
		id:       aws.ToString(info.InstanceId),
		platform: string(info.PlatformType),
		ip:       aws.ToString(info.IPAddress),
		ping:     string(info.PingStatus),
		agent:    aws.ToString(info.AgentVersion),
		name:     aws.ToString(info.Name),
		computer: aws.ToString(info.ComputerName),
	}
	if info.LastPingDateTime != nil {
		n.lastPing = info.LastPingDateTime.UnixMilli()
	}
	return n
}

// identified is what looking for ids gave. An id that is in neither map is not
// there, and AWS did not say more than that.
type identified struct {
	nodes   map[string]node
	refused map[string]error // ids that AWS refused to look for, and why
}

// withIDs looks nodes up by id. One bad id fails a whole call, so a call that
// fails that way is halved until the bad ones stand alone.
func (inv *inventory) withIDs(ctx context.Context, ids []string) (identified, error) {
	return inv.ids.get(ctx, memoKey(ids), func() (identified, error) {
		found, err := inv.now(ctx, ids)
		if errors.Is(err, errTooManyBad) {
			return inv.pick(ctx, ids)
		}
		return found, err
	})
}

// pick takes ids from the listing of everything.
func (inv *inventory) pick(ctx context.Context, ids []string) (identified, error) {
	nodes, err := inv.all(ctx)
	if err != nil {
		return identified{}, err
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	found := identified{nodes: map[string]node{}}
	for _, n := range nodes {
		if wanted[n.id] {
			found.nodes[n.id] = n
		}
	}
	return found, nil
}

// errTooManyBad ends a search that has spent its calls.
var errTooManyBad = errors.New("too many bad ids")

type idSearch struct {
	inv *inventory

	mu    sync.Mutex // protects what follows
	found identified
	spent int // calls that failed because of a bad id
}

func (s *idSearch) look(ctx context.Context, ids []string) error {
	nodes, err := s.ask(ctx, ids)
	switch {
	case err == nil:
		s.mu.Lock()
		for _, n := range nodes {
			s.found.nodes[n.id] = n
		}
		s.mu.Unlock()
		return nil
	case !badID(err):
		return err
	}
	s.mu.Lock()
	s.spent++
	spent := s.spent
	if len(ids) == 1 && apiCode(err) != "InvalidInstanceId" {
		s.found.refused[ids[0]] = explain(err)
	}
	s.mu.Unlock()
	if spent > bisectMax {
		return errTooManyBad
	}
	if len(ids) == 1 {
		return nil
	}
	half := len(ids) / 2
	if err := s.look(ctx, ids[:half]); err != nil {
		return err
	}
	return s.look(ctx, ids[half:])
}

func (s *idSearch) ask(ctx context.Context, ids []string) ([]node, error) {
	if err := s.inv.enter(ctx); err != nil {
		return nil, err
	}
	defer s.inv.leave()
	return s.inv.pages(ctx, []types.InstanceInformationStringFilter{{Key: aws.String("InstanceIds"), Values: ids}})
}

// badID reports whether a call failed because of what an id is: unknown to the
// account, stopped, or not an id at all.
func badID(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode() {
	case "InvalidInstanceId", "InvalidInstanceInformationFilterValue", "InvalidFilterValue", "ValidationException":
		return true
	}
	return false
}

// memoKey is a key for anything that JSON can tell apart.
func memoKey(v any) string {
	var b strings.Builder
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic("fleet: a key that cannot be encoded: " + err.Error())
	}
	return b.String()
}
