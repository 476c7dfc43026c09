package lab

import (
	"slices"
	"strings"
)

type tagFilter struct {
	Key    *string
	Values []string
}

type getResourcesInput struct {
	ResourceTypeFilters []string
	ResourceARNList     []string
	TagFilters          []tagFilter
	ResourcesPerPage    *int
	TagsPerPage         *int
	PaginationToken     *string
}

type tag struct{ Key, Value string }

type tagMapping struct {
	ResourceARN string
	Tags        []tag
}

// getResources answers tag:GetResources for the nodes, which are EC2 instances
// to it.
func (l *Lab) getResources(c *call) (any, *apiError) {
	var in getResourcesInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	if refusal := in.check(); refusal != nil {
		return nil, refusal
	}
	var found []tagMapping
	for _, n := range l.nodes {
		if m := n.tagMapping(c.region); in.wants(n, m.ResourceARN) {
			found = append(found, m)
		}
	}
	size := 50
	if in.ResourcesPerPage != nil {
		size = *in.ResourcesPerPage
	}
	token := in.PaginationToken
	query := in
	query.PaginationToken = nil
	from, to, next, ok := page(token, query, len(found), size)
	if !ok {
		return nil, refuse("InvalidParameterException", "The PaginationToken is not valid.")
	}
	return struct {
		PaginationToken        string
		ResourceTagMappingList []tagMapping
	}{next, append([]tagMapping{}, found[from:to]...)}, nil
}

func (in *getResourcesInput) check() *apiError {
	if in.ResourceARNList != nil && (in.ResourceTypeFilters != nil || in.TagFilters != nil || in.ResourcesPerPage != nil) {
		return refuse("InvalidParameterException", "ResourceARNList cannot be combined with other parameters.")
	}
	if n := in.ResourcesPerPage; n != nil && (*n < 1 || *n > 100) {
		return refuse("InvalidParameterException", "ResourcesPerPage must be between 1 and 100.")
	}
	if n := in.TagsPerPage; n != nil && (*n < 100 || *n > 500 || *n%100 != 0) {
		return refuse("InvalidParameterException", "TagsPerPage must be 100, 200, 300, 400 or 500.")
	}
	if len(in.TagFilters) > 50 {
		return refuse("InvalidParameterException", "At most 50 TagFilters are allowed.")
	}
	for _, f := range in.TagFilters {
		if f.Key == nil || *f.Key == "" {
			return refuse("InvalidParameterException", "A TagFilter needs a Key.")
		}
		if len(f.Values) > 20 {
			return refuse("InvalidParameterException", "A TagFilter has at most 20 Values.")
		}
	}
	return nil
}

// wants applies the filters: all of them must match, each with any of its
// values. A resource that never had a tag is not seen by this API.
func (in *getResourcesInput) wants(n *node, arn string) bool {
	if in.ResourceARNList != nil {
		return slices.Contains(in.ResourceARNList, arn)
	}
	if in.ResourceTypeFilters != nil && !slices.ContainsFunc(in.ResourceTypeFilters, func(t string) bool { return t == "ec2" || t == "ec2:instance" }) {
		return false
	}
	for _, f := range in.TagFilters {
		value, has := n.tags[*f.Key]
		if !has || len(f.Values) > 0 && !slices.Contains(f.Values, value) {
			return false
		}
	}
	return true
}

func (n *node) tagMapping(region string) tagMapping {
	m := tagMapping{ResourceARN: "arn:aws:ec2:" + region + ":" + accountID + ":instance/" + n.id}
	for k, v := range n.tags {
		m.Tags = append(m.Tags, tag{k, v})
	}
	slices.SortFunc(m.Tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return m
}
