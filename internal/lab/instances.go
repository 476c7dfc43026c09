package lab

import (
	"fmt"
	"slices"
	"strings"
)

// instanceFilter is a filter of DescribeInstanceInformation in either of its
// spellings; JSON names match without regard to case.
type instanceFilter struct {
	Key      *string
	Values   []string // of Filters
	ValueSet []string // of InstanceInformationFilterList
}

type describeInstancesInput struct {
	InstanceInformationFilterList []instanceFilter
	Filters                       []instanceFilter
	MaxResults                    *int
	NextToken                     *string
}

// instanceInformation is a node as DescribeInstanceInformation has it: no tags
// and no Name tag, which is for tag:GetResources to tell.
type instanceInformation struct {
	InstanceId       string
	PingStatus       string
	LastPingDateTime float64
	AgentVersion     string
	IsLatestVersion  bool
	PlatformType     string
	PlatformName     string
	PlatformVersion  string
	ResourceType     string
	IPAddress        string
	ComputerName     string
	SourceId         string
	SourceType       string
}

// The pages of DescribeInstanceInformation hold ten unless asked otherwise.
const defaultInstancePage = 10

var oldInstanceFilters = []string{"InstanceIds", "AgentVersion", "PingStatus", "PlatformTypes", "ActivationIds", "IamRole", "ResourceType", "AssociationStatus"}

func (l *Lab) describeInstanceInformation(c *call) (any, *apiError) {
	var in describeInstancesInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	filters, refusal := in.filters()
	if refusal != nil {
		return nil, refusal
	}
	var found []*node
	for _, n := range l.nodes {
		match := true
		for _, f := range filters {
			ok, refusal := l.matches(n, *f.Key, f.Values)
			if refusal != nil {
				return nil, refusal
			}
			match = match && ok
		}
		if match {
			found = append(found, n)
		}
	}
	size := defaultInstancePage
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	from, to, next, ok := page(in.NextToken, filters, len(found), size)
	if !ok {
		return nil, refuse("InvalidNextToken", "The specified token is not valid.")
	}
	out := struct {
		InstanceInformationList []instanceInformation
		NextToken               string `json:",omitempty"`
	}{InstanceInformationList: []instanceInformation{}, NextToken: next}
	for _, n := range found[from:to] {
		out.InstanceInformationList = append(out.InstanceInformationList, n.information(c.now))
	}
	return out, nil
}

// filters checks the input and returns its filters in one spelling.
func (in *describeInstancesInput) filters() ([]instanceFilter, *apiError) {
	var v violations
	v.between("maxResults", in.MaxResults, 5, 50)
	for i, f := range in.Filters {
		member := fmt.Sprintf("filters.%d.member.", i+1)
		v.text(member+"key", f.Key, true, 1, 1<<20)
		v.list(member+"values", f.Values, 1, 100)
	}
	for i, f := range in.InstanceInformationFilterList {
		member := fmt.Sprintf("instanceInformationFilterList.%d.member.", i+1)
		v.text(member+"key", f.Key, true, 1, 1<<20)
		v.oneOf(member+"key", f.Key, oldInstanceFilters...)
		v.list(member+"valueSet", f.ValueSet, 1, 100)
	}
	if refusal := v.refusal(); refusal != nil {
		return nil, refusal
	}
	if len(in.Filters) > 0 && len(in.InstanceInformationFilterList) > 0 {
		return nil, refuse("ValidationException", "Filters and InstanceInformationFilterList cannot both be given.")
	}
	filters := in.Filters
	for _, f := range in.InstanceInformationFilterList {
		filters = append(filters, instanceFilter{Key: f.Key, Values: f.ValueSet})
	}
	tags := 0
	for _, f := range filters {
		if isTagFilter(*f.Key) {
			tags++
		}
	}
	if tags > 0 && tags < len(filters) {
		return nil, refuse("ValidationException", "Tag filters can't be combined with other filter types.")
	}
	return filters, nil
}

func isTagFilter(key string) bool { return strings.HasPrefix(key, "tag:") || key == "tag-key" }

// matches applies one filter: any of the values is enough.
func (l *Lab) matches(n *node, key string, values []string) (bool, *apiError) {
	if name, ok := strings.CutPrefix(key, "tag:"); ok {
		value, has := n.tags[name]
		return has && slices.Contains(values, value), nil
	}
	var value string
	switch key {
	case "tag-key":
		return slices.ContainsFunc(values, func(name string) bool { _, has := n.tags[name]; return has }), nil
	case "InstanceIds":
		for _, id := range values {
			if l.byID[id] == nil {
				return false, refuse("InvalidInstanceId", "Instances [[%s]] not in a valid state for account %s", id, accountID)
			}
		}
		value = n.id
	case "AgentVersion":
		value = n.agent.Version
	case "PingStatus":
		value = n.pingStatus()
	case "PlatformTypes":
		value = n.platform
	case "ResourceType":
		value = "EC2Instance"
		for _, v := range values {
			if v != "EC2Instance" && v != "ManagedInstance" {
				return false, refuse("InvalidInstanceInformationFilterValue", "The value %s is not valid for the filter ResourceType.", v)
			}
		}
	case "SourceTypes":
		value = "AWS::EC2::Instance"
	case "SourceIds":
		value = n.id
	case "ActivationIds", "IamRole", "AssociationStatus":
		return false, nil // the nodes have none of these
	default:
		return false, refuse("InvalidFilterKey", "The filter key %s is not valid.", key)
	}
	return slices.Contains(values, value), nil
}

func (l *Lab) getConnectionStatus(c *call) (any, *apiError) {
	var in struct{ Target *string }
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	var v violations
	v.text("target", in.Target, true, 1, 400)
	if refusal := v.refusal(); refusal != nil {
		return nil, refusal
	}
	status := "notconnected"
	if n := l.byID[*in.Target]; n != nil && n.isOnline() {
		status = "connected"
	}
	return map[string]string{"Target": *in.Target, "Status": status}, nil
}
