package lab

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds a request: StartSession's parameters are the largest thing in
// one, 65,535 characters a value.
const maxBody = 1 << 20

// call is one authenticated API request.
type call struct {
	body   []byte
	region string // what the client signed for
	now    time.Time
}

// operation answers one API call with a value to be encoded as JSON.
type operation func(l *Lab, c *call) (any, *apiError)

// operations are the APIs by X-Amz-Target, and the service that their
// signatures are for.
var operations = map[string]struct {
	service string
	run     operation
}{
	"AmazonSSM.StartSession":                         {"ssm", (*Lab).startSession},
	"AmazonSSM.ResumeSession":                        {"ssm", (*Lab).resumeSession},
	"AmazonSSM.TerminateSession":                     {"ssm", (*Lab).terminateSession},
	"AmazonSSM.DescribeSessions":                     {"ssm", (*Lab).describeSessions},
	"AmazonSSM.DescribeInstanceInformation":          {"ssm", (*Lab).describeInstanceInformation},
	"AmazonSSM.GetConnectionStatus":                  {"ssm", (*Lab).getConnectionStatus},
	"AmazonSSM.GetDocument":                          {"ssm", (*Lab).getDocument},
	"AmazonSSM.DescribeDocument":                     {"ssm", (*Lab).describeDocument},
	"TrentService.GenerateDataKey":                   {"kms", (*Lab).generateDataKey},
	"TrentService.Decrypt":                           {"kms", (*Lab).decrypt},
	"ResourceGroupsTaggingAPI_20170126.GetResources": {"tagging", (*Lab).getResources},
}

// ServeHTTP answers the APIs and the data channel.
func (l *Lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := newUUID()
	w.Header().Set("X-Amzn-RequestId", requestID)
	if !l.hosts[r.Host] {
		http.Error(w, "this Host is not the lab's", http.StatusForbidden)
		return
	}
	if r.Header.Get("Origin") != "" {
		http.Error(w, "requests from web pages are refused", http.StatusForbidden)
		return
	}
	if strings.HasPrefix(r.URL.Path, dataChannelPath) {
		l.serveDataChannel(w, r)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		http.Error(w, "the lab answers POST / and the data channel", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		writeJSONError(w, &apiError{code: "SerializationException", message: err.Error(), status: status})
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		l.serveQuery(w, r, body, requestID)
		return
	}
	answer, refusal := l.answer(r, body)
	if refusal != nil && refusal.hangUp {
		hangUp(w)
		return
	}
	if refusal != nil {
		l.log.Debug("lab refused a call", "target", r.Header.Get("X-Amz-Target"), "code", refusal.code, "message", refusal.message)
		writeJSONError(w, refusal)
		return
	}
	text, err := json.Marshal(answer)
	if err != nil {
		writeJSONError(w, &apiError{code: "InternalServerError", message: err.Error(), status: http.StatusInternalServerError})
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Write(text)
}

// answer authenticates one AWS JSON 1.1 call and runs it.
func (l *Lab) answer(r *http.Request, body []byte) (any, *apiError) {
	now := time.Now()
	sig, refusal := l.verify(r, body, now)
	if refusal != nil {
		return nil, refusal
	}
	op, ok := operations[r.Header.Get("X-Amz-Target")]
	if !ok {
		return nil, refuse("UnknownOperationException", "The lab does not have the operation %q.", r.Header.Get("X-Amz-Target"))
	}
	if sig.service != op.service {
		return nil, refuse("InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", op.service)
	}
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return l.faultyCall(r.Context(), name, op.run, &call{body: body, region: sig.region, now: now})
}

// decode reads the input of a call. Members that it does not have are ignored,
// as AWS does.
func (c *call) decode(into any) *apiError {
	body := c.body
	if len(body) == 0 {
		body = []byte("{}")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return refuse("SerializationException", "%s", err)
	}
	return nil
}

// epoch is a time as AWS JSON 1.1 has it: seconds, with a fraction.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
