package lab

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

type startSessionInput struct {
	Target       *string
	DocumentName *string
	Reason       *string
	Parameters   map[string][]string
}

// opened is the answer of StartSession and ResumeSession.
type opened struct {
	SessionId  string
	TokenValue string
	StreamUrl  string
}

var sessionReason = regexp.MustCompile(`^.{1,256}$`)

func (l *Lab) startSession(c *call) (any, *apiError) {
	var in startSessionInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	if refusal := in.check(); refusal != nil {
		return nil, refusal
	}
	if !l.limit.allow(c.now) {
		return nil, refuse("ThrottlingException", "Rate exceeded")
	}
	name := defaultDocument
	if in.DocumentName != nil {
		name = *in.DocumentName
	}
	d, refusal := l.findDocument(name)
	if refusal != nil {
		return nil, refusal
	}
	properties, refusal := d.bind(in.Parameters)
	if refusal != nil {
		return nil, refusal
	}
	n := l.byID[*in.Target]
	if n == nil || !n.isOnline() {
		return nil, refuse("TargetNotConnected", "%s is not connected.", *in.Target)
	}
	var reason string
	if in.Reason != nil {
		reason = *in.Reason
	}
	s := l.newSession(n, d, properties, reason, c.now)
	answer := opened{s.id, s.token, l.streamURL(s.id)}
	if !l.sessions.add(s) {
		s.cancel()
		return nil, refuse("InternalServerError", "The lab is closing.")
	}
	l.work.Go(s.run)
	return answer, nil
}

func (in *startSessionInput) check() *apiError {
	var v violations
	v.text("target", in.Target, true, 1, 400)
	v.pattern("documentName", in.DocumentName, documentName)
	v.text("reason", in.Reason, false, 1, 256)
	if in.Reason != nil && len(v) == 0 {
		v.pattern("reason", in.Reason, sessionReason)
	}
	for name, values := range in.Parameters {
		v.text("parameters", &name, true, 1, 255)
		for _, value := range values {
			v.text("parameters."+name+".member", &value, true, 1, 65535)
		}
	}
	return v.refusal()
}

func (l *Lab) streamURL(id string) string {
	return "ws" + strings.TrimPrefix(l.endpoint, "http") + dataChannelPath + id + "?role=publish_subscribe"
}

// sessionNamed decodes the input that ResumeSession and TerminateSession share.
func (c *call) sessionNamed() (string, *apiError) {
	var in struct{ SessionId *string }
	if refusal := c.decode(&in); refusal != nil {
		return "", refusal
	}
	var v violations
	v.text("sessionId", in.SessionId, true, 1, 96)
	if refusal := v.refusal(); refusal != nil {
		return "", refusal
	}
	return *in.SessionId, nil
}

func (l *Lab) resumeSession(c *call) (any, *apiError) {
	id, refusal := c.sessionNamed()
	if refusal != nil {
		return nil, refusal
	}
	if s := l.sessions.find(id); s != nil {
		if token, ok := s.resume(); ok {
			return opened{id, token, l.streamURL(id)}, nil
		}
	}
	return nil, refuse("DoesNotExistException", "Session %s does not exist or has ended.", id)
}

func (l *Lab) terminateSession(c *call) (any, *apiError) {
	id, refusal := c.sessionNamed()
	if refusal != nil {
		return nil, refusal
	}
	if s := l.sessions.find(id); s != nil {
		s.end("Terminated", "")
	} else if !l.sessions.knows(id) {
		return nil, refuse("DoesNotExistException", "Session %s does not exist.", id)
	}
	return map[string]string{"SessionId": id}, nil
}

type sessionFilter struct{ Key, Value *string }

type describeSessionsInput struct {
	State      *string
	MaxResults *int
	NextToken  *string
	Filters    []sessionFilter
}

var sessionFilterKeys = []string{"InvokedAfter", "InvokedBefore", "Target", "Owner", "Status", "SessionId", "AccessType"}

// sessionDescription is a session as DescribeSessions has it.
type sessionDescription struct {
	SessionId    string
	Target       string
	Status       string
	StartDate    float64
	EndDate      float64 `json:",omitempty"`
	DocumentName string
	Owner        string
	Reason       string `json:",omitempty"`
	Details      string `json:",omitempty"`
	OutputUrl    struct{}
}

func (l *Lab) describeSessions(c *call) (any, *apiError) {
	var in describeSessionsInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	if refusal := in.check(); refusal != nil {
		return nil, refusal
	}
	var found []sessionDescription
	for _, s := range l.sessions.list(*in.State == "Active") {
		match := true
		d := s.describe()
		for _, f := range in.Filters {
			ok, refusal := d.matches(*f.Key, *f.Value)
			if refusal != nil {
				return nil, refusal
			}
			match = match && ok
		}
		if match {
			found = append(found, d)
		}
	}
	size := 50
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	from, to, next, ok := page(in.NextToken, []any{in.State, in.Filters}, len(found), size)
	if !ok {
		return nil, refuse("InvalidNextToken", "The specified token is not valid.")
	}
	return struct {
		Sessions  []sessionDescription
		NextToken string `json:",omitempty"`
	}{append([]sessionDescription{}, found[from:to]...), next}, nil
}

func (in *describeSessionsInput) check() *apiError {
	var v violations
	if in.State == nil {
		v.add("null", "state", "not be null")
	}
	v.oneOf("state", in.State, "Active", "History")
	v.between("maxResults", in.MaxResults, 1, 200)
	if in.Filters != nil && len(in.Filters) == 0 || len(in.Filters) > 6 {
		v.add("'[...]'", "filters", "have between 1 and 6 members")
	}
	for i, f := range in.Filters {
		member := fmt.Sprintf("filters.%d.member.", i+1)
		v.oneOf(member+"key", f.Key, sessionFilterKeys...)
		v.text(member+"key", f.Key, true, 0, 400)
		v.text(member+"value", f.Value, true, 1, 400)
	}
	return v.refusal()
}

func (s *session) describe() sessionDescription {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := sessionDescription{
		SessionId:    s.id,
		Target:       s.node.id,
		Status:       s.status,
		StartDate:    epoch(s.started),
		DocumentName: s.doc.name,
		Owner:        callerARN,
		Reason:       s.reason,
		Details:      s.details,
	}
	if !s.ended.IsZero() {
		d.EndDate = epoch(s.ended)
	}
	return d
}

func (d *sessionDescription) matches(key, value string) (bool, *apiError) {
	switch key {
	case "Target":
		return d.Target == value, nil
	case "Owner":
		return d.Owner == value, nil
	case "Status":
		return d.Status == value, nil
	case "SessionId":
		return d.SessionId == value, nil
	case "AccessType":
		return value == "Standard", nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return false, refuse("InvalidFilterKey", "The value %s of the filter %s is not a time such as 2024-01-31T12:00:00Z.", value, key)
	}
	if key == "InvokedAfter" {
		return d.StartDate >= epoch(at), nil
	}
	return d.StartDate <= epoch(at), nil
}
