package lab

import (
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
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
	t, err := channel.AcceptWebsocket(w, r)
	if err != nil {
		l.log.Debug("lab did not upgrade a data channel", "session", s.id, "error", err)
		return
	}
	s.attach(1)
	defer s.attach(-1)
	err = s.agent.Attach(r.Context(), s.network(t), s.admit)
	l.log.Debug("lab data channel ended", "session", s.id, "error", err)
}

// network puts the node's faults between client and agent. The seed differs for
// each connection and is the same in each run of the same lab file, as far as
// connections come in the same order.
func (s *session) network(t channel.Transport) channel.Transport {
	f := s.node.faults
	if f.Latency == 0 && f.Drop == 0 && f.Duplicate == 0 && f.Reorder == 0 && f.Disconnect == 0 {
		return t
	}
	s.mu.Lock()
	opens := s.opens
	s.mu.Unlock()
	hash := fnv.New64a()
	hash.Write([]byte(s.node.id))
	return channel.Faulty(t, channel.Faults{
		Seed:      uint64(f.Seed) ^ hash.Sum64() + uint64(opens),
		Latency:   f.Latency,
		Drop:      f.Drop,
		Duplicate: f.Duplicate,
		Reorder:   f.Reorder,
		CutAfter:  f.Disconnect,
	})
}
