package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ssmrun/ssmrun/internal/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a small SSM that speaks AWS JSON 1.1: what a test needs of the
// filters, paging and refusals, and hooks for its faults.
type service struct {
	nodes     []fakeNode
	documents map[string]string
	streamURL string // of every session; "" makes one at the request's host

	// start, when not nil, answers StartSession call n (from 1) instead.
	start func(n int, w http.ResponseWriter, r *http.Request) (handled bool)
	// startRate throttles StartSession to so many a second, 0 to none.
	startRate float64

	mu       sync.Mutex // protects what follows
	calls    map[string]int
	starts   []time.Time // accepted StartSession calls
	targets  []string    // of them
	last     map[string]any
	sessions []fakeSession
	tokens   float64
	refilled time.Time
}

type fakeNode struct {
	id, platform, ping, name, computer string
	tags                               map[string]string
	stopped                            bool // has tags, and is not registered
}

type fakeSession struct{ id, target, reason, status string }

func (s *service) count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in map[string]any
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			fail(w, 400, "SerializationException", err.Error())
			return
		}
	}
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[operation]++
	n := s.calls[operation]
	s.last = in
	s.mu.Unlock()

	if r.URL.Path == "/list-group-resources" {
		s.listGroup(w, in)
		return
	}
	switch operation {
	case "DescribeInstanceInformation":
		s.describeNodes(w, in)
	case "GetResources":
		s.getResources(w, in)
	case "GetDocument":
		content, ok := s.documents[in["Name"].(string)]
		if !ok {
			fail(w, 400, "InvalidDocument", "")
			return
		}
		reply(w, map[string]any{"Name": in["Name"], "DocumentVersion": "3", "DocumentType": "Session", "Content": content})
	case "GetConnectionStatus":
		reply(w, map[string]any{"Target": in["Target"], "Status": "connected"})
	case "StartSession":
		if s.start != nil && s.start(n, w, r) {
			return
		}
		s.startSession(w, r, in)
	case "ResumeSession":
		reply(w, map[string]any{"SessionId": in["SessionId"], "TokenValue": "token-again", "StreamUrl": s.streamURL})
	case "TerminateSession":
		s.terminate(in["SessionId"].(string))
		reply(w, map[string]any{"SessionId": in["SessionId"]})
	case "DescribeSessions":
		s.describeSessions(w, in)
	default:
		fail(w, 400, "UnknownOperationException", operation)
	}
}

func reply(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(out)
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "req-1")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

func (s *service) describeNodes(w http.ResponseWriter, in map[string]any) {
	filters, _ := in["Filters"].([]any)
	var matching []fakeNode
	for _, n := range s.nodes {
		if !n.stopped {
			matching = append(matching, n)
		}
	}
	tagFilter := false
	for _, raw := range filters {
		f := raw.(map[string]any)
		key, values := f["Key"].(string), texts(f["Values"])
		if strings.HasPrefix(key, "tag") {
			tagFilter = true
		} else if tagFilter || len(filters) > 1 {
			fail(w, 400, "InvalidInstanceInformationFilterValue", "tag filters cannot be combined")
			return
		}
		if len(values) > 100 || len(values) == 0 {
			fail(w, 400, "ValidationException", "1 to 100 values")
			return
		}
		if key == "InstanceIds" {
			for _, id := range values {
				if !slices.ContainsFunc(matching, func(n fakeNode) bool { return n.id == id }) {
					fail(w, 400, "InvalidInstanceId", "")
					return
				}
			}
		}
		matching = slices.DeleteFunc(matching, func(n fakeNode) bool { return !n.matches(key, values) })
	}
	size := int(in["MaxResults"].(float64))
	if size > 50 {
		fail(w, 400, "ValidationException", "MaxResults")
		return
	}
	token, _ := in["NextToken"].(string)
	from, _ := strconv.Atoi(token)
	out := map[string]any{}
	if from+size < len(matching) {
		out["NextToken"] = strconv.Itoa(from + size)
	}
	list := []any{}
	for _, n := range matching[from:min(from+size, len(matching))] {
		list = append(list, map[string]any{
			"InstanceId": n.id, "PlatformType": cmp.Or(n.platform, "Linux"), "PingStatus": cmp.Or(n.ping, "Online"),
			"Name": n.name, "ComputerName": n.computer, "AgentVersion": "3.3.0.0", "IPAddress": "10.0.0.1",
		})
	}
	out["InstanceInformationList"] = list
	reply(w, out)
}

func (n fakeNode) matches(key string, values []string) bool {
	switch {
	case key == "InstanceIds":
		return slices.Contains(values, n.id)
	case key == "tag-key":
		return slices.ContainsFunc(values, func(k string) bool { _, ok := n.tags[k]; return ok })
	case strings.HasPrefix(key, "tag:"):
		return n.has(key[len("tag:"):], values)
	}
	return false
}

func texts(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, e := range list {
		out = append(out, e.(string))
	}
	return out
}

func (s *service) getResources(w http.ResponseWriter, in map[string]any) {
	arns := texts(in["ResourceARNList"])
	filters, _ := in["TagFilters"].([]any)
	var matching []fakeNode
	for _, n := range s.nodes {
		wanted := len(n.tags) > 0 && (arns == nil || slices.Contains(arns, s.arn(n)))
		for _, raw := range filters {
			f := raw.(map[string]any)
			wanted = wanted && n.has(f["Key"].(string), texts(f["Values"]))
		}
		if wanted {
			matching = append(matching, n)
		}
	}
	token, _ := in["PaginationToken"].(string)
	from, _ := strconv.Atoi(token)
	out := map[string]any{"PaginationToken": ""}
	if arns == nil && from+100 < len(matching) {
		out["PaginationToken"] = strconv.Itoa(from + 100)
	}
	list := []any{}
	for _, n := range matching[from:min(from+100, len(matching))] {
		tags := []any{}
		for k, v := range n.tags {
			tags = append(tags, map[string]string{"Key": k, "Value": v})
		}
		list = append(list, map[string]any{"ResourceARN": s.arn(n), "Tags": tags})
	}
	out["ResourceTagMappingList"] = list
	reply(w, out)
}

func (s *service) arn(n fakeNode) string {
	if strings.HasPrefix(n.id, "mi-") {
		return "arn:aws:ssm:eu-west-1:111122223333:managed-instance/" + n.id
	}
	return "arn:aws:ec2:eu-west-1:111122223333:instance/" + n.id
}

// listGroup answers for the group "cash", one resource a page.
func (s *service) listGroup(w http.ResponseWriter, in map[string]any) {
	if in["Group"] != "cash" {
		w.Header().Set("X-Amzn-Errortype", "NotFoundException:http://internal.amazon.com/")
		fail(w, 404, "", "Cannot find group.")
		return
	}
	arns := []string{"arn:aws:s3:::bucket/instance/x", s.arn(s.nodes[3]), s.arn(s.nodes[5]), s.arn(s.nodes[6])}
	token, _ := in["NextToken"].(string)
	at, _ := strconv.Atoi(token)
	out := map[string]any{"Resources": []any{map[string]any{"Identifier": map[string]string{"ResourceArn": arns[at]}}}}
	if at+1 < len(arns) {
		out["NextToken"] = strconv.Itoa(at + 1)
	}
	reply(w, out)
}

// has reports whether a node has a tag, with one of the values if there are any.
func (n fakeNode) has(key string, values []string) bool {
	v, ok := n.tags[key]
	return ok && (len(values) == 0 || slices.Contains(values, v))
}

func (s *service) startSession(w http.ResponseWriter, r *http.Request, in map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.startRate > 0 {
		if s.refilled.IsZero() {
			s.tokens = s.startRate
		} else {
			s.tokens = min(s.startRate, s.tokens+now.Sub(s.refilled).Seconds()*s.startRate)
		}
		s.refilled = now
		if s.tokens < 1 {
			fail(w, 400, "ThrottlingException", "Rate exceeded")
			return
		}
		s.tokens--
	}
	target := in["Target"].(string)
	s.starts = append(s.starts, now)
	s.targets = append(s.targets, target)
	id := fmt.Sprintf("me-%04d", len(s.starts))
	reason, _ := in["Reason"].(string)
	s.sessions = append(s.sessions, fakeSession{id, target, reason, "Connected"})
	url := s.streamURL
	if url == "" {
		url = "ws://" + r.Host + "/v1/data-channel/" + id + "?role=publish_subscribe"
	}
	reply(w, map[string]any{"SessionId": id, "TokenValue": canaryToken, "StreamUrl": url})
}

// canaryToken must not be found in anything that a person or a file sees.
const canaryToken = "canary-token-AAEAAUxvcmVtIGlwc3Vt"

func (s *service) terminate(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sessions {
		if s.sessions[i].id == id {
			s.sessions[i].status = "Terminated"
		}
	}
}

func (s *service) describeSessions(w http.ResponseWriter, in map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, session := range s.sessions {
		filters, _ := in["Filters"].([]any)
		wanted := session.status != "Terminated"
		for _, raw := range filters {
			f := raw.(map[string]any)
			wanted = wanted && f["key"] == "Target" && f["value"] == session.target
		}
		if wanted {
			list = append(list, map[string]any{"SessionId": session.id, "Target": session.target, "Reason": session.reason, "Status": session.status})
		}
	}
	reply(w, map[string]any{"Sessions": list})
}

func (s *service) open() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, session := range s.sessions {
		if session.status != "Terminated" {
			ids = append(ids, session.id)
		}
	}
	return ids
}

// memory carries requests to a handler without a network, so that it works in a
// synctest bubble. It tells the request's trace what net/http would.
type memory struct{ handler http.Handler }

// dropped is what a handler panics with to lose the answer.
type dropped struct{ err error }

func (m memory) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(req.Context())
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	defer func() {
		if d, ok := recover().(dropped); ok {
			resp, err = nil, d.err
		}
	}()
	rec := httptest.NewRecorder()
	req.RequestURI = ""
	if req.Host == "" {
		req.Host = req.URL.Host
	}
	m.handler.ServeHTTP(rec, req)
	return rec.Result(), nil
}

// inMemory returns an isolated Fleet that talks to the handler.
func inMemory(t testing.TB, handler http.Handler, opts Options, providers ...plan.Provider) *Fleet {
	t.Helper()
	opts.Isolated = true
	opts.Region = cmp.Or(opts.Region, "eu-west-1")
	opts.EndpointURL = cmp.Or(opts.EndpointURL, "http://127.0.0.1:1")
	opts.Static = cmp.Or(opts.Static, &Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: NewSecret("secret")})
	f := New(opts)
	f.client = &http.Client{Transport: memory{handler}}
	if len(providers) == 0 {
		providers = []plan.Provider{{Key: "aws"}}
	}
	if err := f.Open(t.Context(), providers); err != nil {
		t.Fatal(err)
	}
	return f
}

// hooks is a trace whose hooks may be nil.
type hooks struct{ *httptrace.ClientTrace }

func traceOf(req *http.Request) hooks { return hooks{httptrace.ContextClientTrace(req.Context())} }

func (h hooks) got()            { h.GotConn(httptrace.GotConnInfo{}) }
func (h hooks) wrote(err error) { h.WroteRequest(httptrace.WroteRequestInfo{Err: err}) }
