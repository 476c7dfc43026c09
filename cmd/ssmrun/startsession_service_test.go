package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// call is what a service sees of a request, as far as it matters.
type call struct {
	Path        string `json:",omitempty"` // "" for /
	Target      string `json:",omitempty"` // "" for StartSession; the host of a CONNECT to a proxy
	ContentType string `json:",omitempty"` // "" for JSON 1.1
	Signed      string `json:",omitempty"` // access key, region and service; "" without a signature
	Token       string `json:",omitempty"` // of the session of temporary credentials
	Body        any    `json:",omitempty"`
}

// recorder is a service that notes its calls and answers each with the next of
// answers; the last answer is there for ever.
type recorder struct {
	*httptest.Server
	answers []string

	mu    sync.Mutex // protects what follows
	calls []call
}

// newRecorder serves until the test ends. Answers are words in a row: see
// answer.
func newRecorder(t *testing.T, answers string, tls bool) *recorder {
	t.Helper()
	r := startRecorder(answers, tls)
	t.Cleanup(r.stop)
	return r
}

func startRecorder(answers string, tls bool) *recorder {
	r := &recorder{answers: strings.Fields(answers)}
	if len(r.answers) == 0 {
		r.answers = []string{"refuse"}
	}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // of TLS handshakes that a client gives up
	if tls {
		r.StartTLS()
	} else {
		r.Start()
	}
	return r
}

func (r *recorder) stop() {
	r.CloseClientConnections()
	r.Close()
}

var scope = regexp.MustCompile(`Credential=(\w+)/\d{8}/([^/]+)/(\w+)/aws4_request`)

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, _ := io.ReadAll(req.Body)
	c := call{Path: req.URL.Path, Target: req.Header.Get("X-Amz-Target"), ContentType: req.Header.Get("Content-Type"),
		Token: req.Header.Get("X-Amz-Security-Token")}
	if m := scope.FindStringSubmatch(req.Header.Get("Authorization")); m != nil {
		c.Signed = strings.Join(m[1:], " ")
	}
	switch {
	case req.Method == http.MethodConnect:
		c = call{Target: req.Host}
	case req.Method != http.MethodPost || c.Target == "AmazonSSM.TerminateSession":
		w.WriteHeader(http.StatusNotFound) // the data channel, and what comes after a session
		return
	}
	if c.Target == "AmazonSSM.StartSession" {
		c.Target = ""
	}
	if c.ContentType == "application/x-amz-json-1.1" {
		c.ContentType = ""
	}
	if c.Path == "/" {
		c.Path = ""
	}
	if json.Unmarshal(text, &c.Body) != nil {
		c.Body = string(text)
	}
	r.mu.Lock()
	answer := r.answers[min(len(r.calls), len(r.answers)-1)]
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	r.answer(w, req, answer)
}

func (r *recorder) answer(w http.ResponseWriter, req *http.Request, word string) {
	fail := func(status int, code string) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type": %q, "message": "no."}`, code)
	}
	switch word {
	case "ok": // a session whose data channel is not there
		fmt.Fprintf(w, `{"SessionId": "me-0001", "TokenValue": "token", "StreamUrl": "ws%s/v1/data-channel/me-0001"}`, strings.TrimPrefix(r.URL, "http"))
	case "refuse":
		fail(http.StatusBadRequest, "TargetNotConnected")
	case "throttle":
		fail(http.StatusBadRequest, "ThrottlingException")
	case "500":
		fail(http.StatusInternalServerError, "InternalServerError")
	case "503":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "redirect":
		http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
	case "hang":
		<-req.Context().Done()
	case "cut":
		panic(http.ErrAbortHandler)
	}
}

// seen returns the calls; those to a proxy in a row are one.
func (r *recorder) seen() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var seen []call
	for _, c := range r.calls {
		if strings.HasSuffix(c.Target, ":443") && len(seen) > 0 && seen[len(seen)-1].Target == c.Target {
			continue
		}
		seen = append(seen, c)
	}
	return seen
}
