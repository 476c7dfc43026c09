package lab

import (
	"net/http"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

const dataChannelPath = "/v1/data-channel/"

// serveDataChannel upgrades a client's connection and attaches it to its
// session's agent. The token in the first frame is what authenticates it;
// clients that also sign the request, as newer plugins do, must have it right.
func (l *Lab) serveDataChannel(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		sig, refusal := l.verify(r, nil, time.Now())
		if refusal == nil && sig.service != "ssmmessages" {
			refusal = refuse("InvalidSignatureException", "Credential should be scoped to correct service: 'ssmmessages'.")
		}
		if refusal != nil {
			refusal.status = http.StatusForbidden
			writeJSONError(w, refusal)
			return
		}
	}
	s := l.sessions.find(strings.TrimPrefix(r.URL.Path, dataChannelPath))
	if s == nil || r.URL.Query().Get("role") != "publish_subscribe" {
		http.Error(w, "no such data channel", http.StatusNotFound)
		return
	}
	if !l.sessions.connect() {
		http.Error(w, "the lab is closing", http.StatusServiceUnavailable)
		return
	}
	defer l.sessions.connections.Done()
	if !linger(s.faults.phase(hclspec.PhaseDial), r.Context(), s.ctx) {
		return
	}
	u := &upgrade{ResponseWriter: w, ctx: r.Context(), slow: s.faults.phase(hclspec.PhaseUpgrade)}
	if u.slow < 0 {
		u.stall()
		return
	}
	t, err := channel.AcceptWebsocket(u, r)
	if err != nil {
		l.log.Debug("lab did not upgrade a data channel", "session", s.id, "error", err)
		return
	}
	s.attach(1)
	defer s.attach(-1)
	if faultyWire(s.node.faults) {
		w := newWire(s, t, u.conn)
		defer w.finish(r.Context())
		if !linger(s.faults.phase(hclspec.PhaseOpen), w.ctx, s.ctx) {
			return
		}
		t = w
	}
	err = s.agent.Attach(r.Context(), t, s.admit)
	l.log.Debug("lab data channel ended", "session", s.id, "error", err)
}
