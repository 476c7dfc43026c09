package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// maxIdle is a little more than the longest idle time that a session document can
// have: a session that is silent for longer has ended, and that was not told.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-timeout.html
const maxIdle = 65 * time.Minute

// connect opens the data channel of a started session.
func (f *Fleet) connect(ctx context.Context, p *provider, call plan.Call, s *started, out Output) (*channel.Session, error) {
	line := &line{f: f, p: p, id: s.id, url: s.url}
	if err := p.checkStreamURL(s.url); err != nil {
		return nil, err
	}
	required, keyID := p.Encryption(call.RequireEncryption, call.KMSKeyID)
	return channel.Connect(ctx, channel.Config{
		SessionID:         s.id,
		Token:             s.token.Reveal(),
		Dial:              line.dial,
		Resume:            line.resume,
		TargetID:          call.Target,
		DataKey:           p.dataKey,
		RequireEncryption: required,
		KeyID:             keyID,
		Stdout:            out.Stdout,
		Stderr:            out.Stderr,
		OnReconnect:       out.OnReconnect,
		TakePort:          s.takePort,
		HandshakeDue:      s.takePort || p.shakesHands(call.Document),
		OpenTimeout:       f.openTimeout(),
		IdleTimeout:       maxIdle,
	})
}

// line is how a session reaches its data channel, now and after every loss of
// the connection.
type line struct {
	f  *Fleet
	p  *provider
	id string

	mu  sync.Mutex // protects what follows
	url Secret     // of the last StartSession or ResumeSession
}

// dial opens a websocket at the stream URL exactly as AWS gave it. Whether the
// upgrade request is signed is the provider's sign_data_channel: "auto" does
// not, as plugins before 1.2.764 did not, until the service refuses that. A
// signed request that is refused is made again with credentials got anew. The
// token is sent only after the upgrade, so a refused one has cost nothing.
func (l *line) dial(ctx context.Context) (channel.Transport, error) {
	l.mu.Lock()
	address := l.url
	l.mu.Unlock()
	if err := l.p.checkStreamURL(address); err != nil {
		return nil, err
	}
	signed := l.p.SignDataChannel == "on" || l.p.wantsSigned.Load()
	var used aws.CredentialsProvider
	if l.p.keys != nil {
		used = l.p.keys.provider()
	}
	t, err := l.open(ctx, address, signed)
	if forbidden(err) && !signed && l.p.SignDataChannel != "off" {
		signed = true
		if t, err = l.open(ctx, address, true); err == nil {
			l.p.wantsSigned.Store(true)
		}
	}
	if forbidden(err) && signed && used != nil {
		if again, renewErr := l.p.keys.renew(ctx, used); again && renewErr == nil {
			t, err = l.open(ctx, address, true)
		}
	}
	return t, scrub(err, address)
}

// forbidden reports whether an upgrade request was refused for who made it.
func forbidden(err error) bool {
	refused, ok := errors.AsType[*channel.DialError](err)
	return ok && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden)
}

func (l *line) open(ctx context.Context, address Secret, signed bool) (channel.Transport, error) {
	var header http.Header
	if signed {
		var err error
		if header, err = l.p.signDataChannel(ctx, address); err != nil {
			return nil, err
		}
	}
	return channel.DialWebsocket(ctx, address.Reveal(), channel.WebsocketOptions{
		Header:         header,
		TLS:            l.f.tls,
		Proxy:          l.f.proxy,
		ConnectTimeout: max(0, l.f.opts.ConnectTimeout),
		TLSTimeout:     max(0, l.f.opts.ConnectTimeout),
		UpgradeTimeout: max(0, l.f.opts.ReadTimeout),
	})
}

// openTimeout is how long a data channel may take to open: the channel's own
// limit, or more where the operator gave its layers more.
func (f *Fleet) openTimeout() time.Duration {
	if asked := 2*max(0, f.opts.ConnectTimeout) + max(0, f.opts.ReadTimeout); asked > channel.DefaultOpenTimeout {
		return asked
	}
	return channel.DefaultOpenTimeout
}

// shakesHands reports whether a document is known to be of a session type whose
// agent always begins with a handshake.
func (p *provider) shakesHands(document string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch channel.SessionType(p.sessionTypes[document]) {
	case channel.NonInteractiveCommands, channel.Port:
		return true
	}
	return false
}

// streamURLError says why a token is not sent to where AWS's answer points.
type streamURLError struct{ why string }

func (e *streamURLError) Error() string {
	return "the stream URL of the session is refused, and its token was not sent: " + e.why
}

// checkStreamURL lets a token go to the partition's ssmmessages host by wss
// and nowhere else. Where the endpoint is overridden its own host is good too;
// and where that is plain http on loopback, so is ws to the same port, and
// nothing else.
func (p *provider) checkStreamURL(address Secret) error {
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return &streamURLError{"it is not a URL"}
	}
	switch {
	case u.User != nil:
		return &streamURLError{"it has a user name in it"}
	case u.Fragment != "" || u.Opaque != "" || u.Host == "":
		return &streamURLError{"it is not of the form wss://HOST/PATH"}
	case p.endpoint != nil && loopback(p.endpoint.Hostname()):
		return p.checkLoopback(u)
	case u.Scheme != "wss":
		return &streamURLError{fmt.Sprintf("its scheme is %q, not wss", u.Scheme)}
	case p.endpoint != nil && strings.EqualFold(u.Hostname(), p.endpoint.Hostname()):
		return nil
	case p.messagesHost(u):
		return nil
	case p.endpoint != nil:
		return &streamURLError{fmt.Sprintf("its host is %q, which is neither the endpoint's (%s) nor AWS's", u.Host, p.endpoint.Hostname())}
	}
	return &streamURLError{fmt.Sprintf("its host is %q, not ssmmessages.%s", u.Host, p.domain)}
}

// checkLoopback is checkStreamURL for a service on this machine, such as the
// lab: the same scheme, host and port. Another port is another program.
func (p *provider) checkLoopback(u *url.URL) error {
	scheme := "wss"
	if p.endpoint.Scheme == "http" {
		scheme = "ws"
	}
	switch {
	case u.Scheme != scheme && u.Scheme != "wss":
		return &streamURLError{fmt.Sprintf("its scheme is %q, and the endpoint is %s", u.Scheme, p.endpoint.Scheme)}
	case !strings.EqualFold(u.Host, p.endpoint.Host):
		return &streamURLError{fmt.Sprintf("its host is %q, and the endpoint's is %q", u.Host, p.endpoint.Host)}
	}
	return nil
}

// messagesHost reports whether a URL is at ssmmessages of the provider's region
// and partition: the ordinary host, the one for FIPS, or the dual-stack one.
func (p *provider) messagesHost(u *url.URL) bool {
	if port := u.Port(); port != "" && port != "443" {
		return false
	}
	hosts := []string{"ssmmessages." + p.domain, "ssmmessages-fips." + p.domain}
	if rest, ok := strings.CutSuffix(p.domain, ".amazonaws.com"); ok {
		hosts = append(hosts, "ssmmessages."+rest+".api.aws", "ssmmessages-fips."+rest+".api.aws")
	}
	return p.domain != "" && slices.Contains(hosts, strings.ToLower(u.Hostname()))
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// signDataChannel returns the headers that sign the upgrade request for the
// service ssmmessages, as AWS's plugin does from 1.2.764 on; or none when the
// stream URL has a signature in it already.
func (p *provider) signDataChannel(ctx context.Context, address Secret) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.Reveal(), nil)
	if err != nil {
		return nil, errors.New("sign the data channel: the stream URL is not a URL")
	}
	if p.unsigned || req.URL.Query().Has("X-Amz-Signature") {
		return nil, nil
	}
	if err := p.sign(ctx, req, nil, "ssmmessages"); err != nil {
		return nil, fmt.Errorf("sign the data channel: %w", scrub(err, address))
	}
	return req.Header, nil
}
