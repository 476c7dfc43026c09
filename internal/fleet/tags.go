package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
)

const (
	tagPageSize  = 100 // GetResources' maximum, of ARNs too
	tagMaxValues = 20  // of one tag filter

	// arnsMax is up to how many nodes are asked for one by one; for more, the
	// listing of all tagged nodes costs no more pages.
	arnsMax = 500
)

// nodeTypes are the resources that can be nodes.
var nodeTypes = []string{"ec2:instance", "ssm:managed-instance"}

// tagsMatching returns the tags, by node id, of the nodes that have all of the
// keys, with one of the values where values are few and have no wildcard. It
// may return more nodes than match, never fewer. Without keys it returns all.
func (inv *inventory) tagsMatching(ctx context.Context, tags map[string][]string) (map[string]map[string]string, error) {
	var filters []types.TagFilter
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		f := types.TagFilter{Key: aws.String(key)}
		if len(tags[key]) <= tagMaxValues && !slices.ContainsFunc(tags[key], wild) {
			f.Values = tags[key]
		}
		filters = append(filters, f)
	}
	return inv.tags.get(ctx, memoKey(filters), func() (map[string]map[string]string, error) {
		if err := inv.enter(ctx); err != nil {
			return nil, err
		}
		defer inv.leave()
		in := &resourcegroupstaggingapi.GetResourcesInput{
			ResourceTypeFilters: nodeTypes,
			ResourcesPerPage:    aws.Int32(tagPageSize),
			TagFilters:          filters,
		}
		found := map[string]map[string]string{}
		for {
			out, err := inv.p.tagging.GetResources(ctx, in)
			if err != nil {
				return nil, err
			}
			inv.keepTags(found, out.ResourceTagMappingList)
			if aws.ToString(out.PaginationToken) == "" {
				return found, nil
			}
			in.PaginationToken = out.PaginationToken
		}
	})
}

// tagsOf returns the tags of the given nodes, by id.
func (inv *inventory) tagsOf(ctx context.Context, nodes []node) (map[string]map[string]string, error) {
	who := inv.p.known()
	if who.account == "" || who.partition == "" || len(nodes) > arnsMax {
		return inv.tagsMatching(ctx, nil)
	}
	var arns []string
	for _, n := range nodes {
		if arn := inv.p.arn(who, n.id); arn != "" {
			arns = append(arns, arn)
		}
	}
	return inv.tags.get(ctx, memoKey(arns), func() (map[string]map[string]string, error) {
		if err := inv.enter(ctx); err != nil {
			return nil, err
		}
		defer inv.leave()
		found := map[string]map[string]string{}
		for chunk := range slices.Chunk(arns, tagPageSize) {
			out, err := inv.p.tagging.GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{ResourceARNList: chunk})
			if err != nil {
				return nil, err
			}
			inv.keepTags(found, out.ResourceTagMappingList)
		}
		return found, nil
	})
}

// keepTags adds a page to found, and learns the account from the ARNs: the
// tagging API only ever returns the caller's own resources.
func (inv *inventory) keepTags(found map[string]map[string]string, page []types.ResourceTagMapping) {
	for _, res := range page {
		id, account, ok := nodeOfARN(aws.ToString(res.ResourceARN))
		if !ok {
			continue
		}
		inv.p.learn(caller{account: account})
		tags := make(map[string]string, len(res.Tags))
		for _, t := range res.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		found[id] = tags
	}
}

// nodeOfARN returns the node id and the account of an instance's ARN:
// arn:PARTITION:SERVICE:REGION:ACCOUNT:instance/ID.
func nodeOfARN(arn string) (id, account string, ok bool) {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) != 6 {
		return "", "", false
	}
	kind, id, _ := strings.Cut(fields[5], "/")
	return id, fields[4], id != "" && (kind == "instance" || kind == "managed-instance")
}

// arn returns a node's ARN, or "" when its id is of no known form.
func (p *provider) arn(who caller, id string) string {
	prefix := "arn:" + who.partition + ":"
	suffix := ":" + p.Region + ":" + who.account
	switch {
	case strings.HasPrefix(id, "i-"):
		return prefix + "ec2" + suffix + ":instance/" + id
	case strings.HasPrefix(id, "mi-"):
		return prefix + "ssm" + suffix + ":managed-instance/" + id
	}
	return ""
}
