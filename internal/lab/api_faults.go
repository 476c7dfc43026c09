package lab

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// apiFaults decides which calls of the API go wrong. Calls about a node or its
// session are counted for each node, all others for the lab.
type apiFaults struct {
	mu    sync.Mutex           // protects what follows
	calls map[string]*apiCalls // by node id and operation
}

type apiCalls struct {
	made int
	rng  *rand.Rand
}

func newAPIFaults() *apiFaults { return &apiFaults{calls: make(map[string]*apiCalls)} }

// strike counts a call and returns what it answers instead, or "".
func (a *apiFaults) strike(f hclspec.Faults, nodeID, operation string) string {
	fault, ok := f.API[operation]
	if !ok || fault.Error == hclspec.ErrorNone {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := nodeID + " " + operation
	c := a.calls[key]
	if c == nil {
		c = &apiCalls{rng: rand.New(rand.NewPCG(faultSeed(f.Seed, key), 0))}
		a.calls[key] = c
	}
	c.made++
	if c.made <= fault.First || c.rng.Float64() < fault.Share {
		return fault.Error
	}
	return ""
}

// faultyCall runs an operation with the faults of the node that it is about, or
// of the lab. ctx is the caller's connection.
func (l *Lab) faultyCall(ctx context.Context, name string, run operation, c *call) (any, *apiError) {
	faults, nodeID := l.spec.Faults, ""
	if n := l.subject(c.body); n != nil {
		faults, nodeID = n.faults, n.id
	}
	if d := faults.Slow[hclspec.PhaseAPI]; d != 0 || len(faults.API) > 0 {
		if !l.sessions.connect() {
			return nil, refuse("InternalServerError", "The lab is closing.")
		}
		defer l.sessions.connections.Done()
		if !linger(d, ctx, ctx) {
			return nil, &apiError{hangUp: true}
		}
	}
	switch strike := l.apiFaults.strike(faults, nodeID, name); strike {
	case "":
		return run(l, c)
	case hclspec.ErrorConnectionReset:
		return nil, &apiError{hangUp: true}
	case hclspec.ErrorLostAnswer:
		run(l, c)
		return nil, &apiError{hangUp: true}
	case hclspec.ErrorEmptyToken:
		answer, refusal := run(l, c)
		if o, ok := answer.(opened); ok {
			o.TokenValue = ""
			return o, refusal
		}
		return answer, refusal
	default:
		return nil, refusalOf(strike, name, c)
	}
}

// subject returns the node that a call's input names, itself or by a session.
func (l *Lab) subject(body []byte) *node {
	var in struct{ Target, SessionId string }
	if json.Unmarshal(body, &in) != nil {
		return nil
	}
	if s := l.sessions.find(in.SessionId); s != nil {
		return s.node
	}
	return l.byID[in.Target]
}

// refusalOf is an error of the API as AWS words it.
func refusalOf(code, operation string, c *call) *apiError {
	switch code {
	case "ThrottlingException":
		return refuse(code, "Rate exceeded")
	case "AccessDeniedException":
		return refuse(code, "User: %s is not authorized to perform: ssm:%s because no identity-based policy allows the ssm:%[2]s action", callerARN, operation)
	case "ExpiredTokenException":
		return refuse(code, "The security token included in the request is expired")
	case "TargetNotConnected":
		var in struct{ Target string }
		if json.Unmarshal(c.body, &in) != nil {
			in.Target = "The target"
		}
		return refuse(code, "%s is not connected.", in.Target)
	case "ServiceUnavailable":
		return &apiError{code: code, message: "The service is temporarily unavailable.", status: http.StatusServiceUnavailable}
	}
	return &apiError{code: code, message: "An internal error occurred.", status: http.StatusInternalServerError}
}

// hangUp ends the connection of a request with a reset and no answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // ends the connection as well
	}
	under := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		under = t.NetConn()
	}
	if t, ok := under.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	under.Close()
}
