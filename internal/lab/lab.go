package lab

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// Notice is what a program says before the first command of a lab runs.
const Notice = "The lab's nodes are shells on this machine: commands run here, as an unprivileged user where that is possible."

const (
	defaultRegion = "us-east-1"
	accountID     = "000000000000"
)

// Options are what Start may be told besides the lab file. The zero value
// works.
type Options struct {
	Addr   string       // host:port to listen on, loopback only; "" is 127.0.0.1:0
	TLS    bool         // serve https and wss, with a certificate authority made at the start
	Logger *slog.Logger // nil: no log
	Dir    string       // an existing directory in which the lab makes its own, removed by Close; "": a temporary place that the nodes' user can reach

	// Wrap stands between the network and TLS, for a slower network; nil: nothing does.
	// The address must stay.
	Wrap func(net.Listener) net.Listener
}

// Lab is a running lab. All methods may be called from any goroutine.
type Lab struct {
	spec     *hclspec.Lab
	log      *slog.Logger
	id       string // names this lab in the environment of its processes
	dir      string
	keyID    string
	secret   string
	caPEM    []byte
	endpoint string
	hosts    map[string]bool // the values of Host that are ours

	nodes     []*node // in the order of the lab file
	byID      map[string]*node
	docs      map[string]*document
	keys      keyRing
	limit     *startLimit
	apiFaults *apiFaults
	nursery   *nursery
	control   *control
	sessions  *registry

	server *http.Server
	cancel context.CancelFunc
	work   sync.WaitGroup // all goroutines of the lab

	closeOnce sync.Once
	closeErr  error
}

// Main is to be called first in main() and in a TestMain by programs that start
// labs. It returns at once today: processes are started from a thread of the
// program itself.
func Main() {}

// Start brings up the nodes of spec and a server for them. ctx bounds the life
// of the lab: when it ends, Close is called. An error leaves nothing behind.
func Start(ctx context.Context, spec *hclspec.Lab, opts Options) (*Lab, error) {
	l := &Lab{spec: spec, log: opts.Logger, byID: make(map[string]*node), sessions: newRegistry()}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if err := l.start(ctx, opts); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context, opts Options) error {
	ctx, l.cancel = context.WithCancel(ctx)
	l.id = randomText(16)
	l.keyID = "AKIA" + base32.StdEncoding.EncodeToString(randomBytes(10))
	l.secret = base64.StdEncoding.EncodeToString(randomBytes(30))
	l.limit = newStartLimit(l.spec.Faults.StartRate)
	l.apiFaults = newAPIFaults()

	var err error
	if l.keys, err = newKeyRing(l.spec); err != nil {
		return err
	}
	if l.docs, err = loadDocuments(l.spec.KMS); err != nil {
		return err
	}
	if l.nodes, err = expandNodes(l.spec); err != nil {
		return err
	}
	if l.nursery, err = newNursery(l); err != nil {
		return err
	}
	if err := l.furnish(opts.Dir); err != nil {
		return err
	}
	if l.control, err = openControl(l); err != nil {
		return err
	}
	listener, err := listenLoopback(ctx, opts.Addr)
	if err != nil {
		return err
	}
	if opts.Wrap != nil {
		listener = opts.Wrap(listener)
	}
	return l.serve(ctx, listener, opts.TLS)
}

// serve starts the HTTP server and the goroutine that closes the lab with ctx.
func (l *Lab) serve(ctx context.Context, listener net.Listener, useTLS bool) error {
	scheme := "http"
	if useTLS {
		cert, ca, err := selfSigned()
		if err != nil {
			listener.Close()
			return err
		}
		l.caPEM = ca
		if err := os.WriteFile(l.caFile(), ca, 0o644); err != nil {
			listener.Close()
			return fmt.Errorf("write the lab's CA certificate: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{cert},
			MinVersion:   tls.VersionTLS12,
		})
		scheme = "https"
	}
	addr := listener.Addr().(*net.TCPAddr)
	l.endpoint = scheme + "://" + addr.String()
	l.hosts = ownHosts(addr, useTLS)
	l.server = &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	l.work.Go(func() {
		if err := l.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("the lab's server ended", "error", err)
		}
	})
	context.AfterFunc(ctx, func() { l.Close() })
	return nil
}

// furnish makes the lab's directory, in which the nodes have theirs.
func (l *Lab) furnish(dir string) error {
	usual, err := nodeAccount("")
	if err != nil {
		return err
	}
	if l.dir, err = makeLabDir(dir, usual); err != nil {
		return err
	}
	if err := writeShims(filepath.Join(l.dir, "bin")); err != nil {
		return err
	}
	if err := makeDir(filepath.Join(l.dir, "nodes"), 0o711); err != nil {
		return fmt.Errorf("make the nodes' directory: %w", err)
	}
	accounts := map[string]account{"": usual}
	for _, n := range l.nodes {
		name := n.spec.User
		if _, ok := accounts[name]; !ok {
			if accounts[name], err = nodeAccount(name); err != nil {
				return fmt.Errorf("nodes %q: %w", n.spec.Label, err)
			}
		}
		n.lab = l
		n.account = accounts[name]
		n.dir = filepath.Join(l.dir, "nodes", n.name)
		n.furnished = sync.OnceValue(n.furnish)
		l.byID[n.id] = n
	}
	return nil
}

// Close ends every session, kills everything that the nodes started, stops the
// server and removes the lab's directory if Start made it. It returns when no
// goroutine, process or descriptor of the lab is left, and may be called more
// than once.
func (l *Lab) Close() error {
	l.closeOnce.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Lab) close() error {
	var errs []error
	for _, n := range l.nodes {
		n.stopTimer()
	}
	// Clients are told that their sessions are over before they lose the server.
	l.sessions.endAll()
	l.cancel()
	if l.server != nil {
		errs = append(errs, l.server.Close())
	}
	l.sessions.connections.Wait()
	if l.control != nil {
		l.control.close()
	}
	if l.nursery != nil {
		errs = append(errs, l.nursery.close())
	}
	l.work.Wait()
	for _, n := range l.nodes {
		if n.root != nil {
			errs = append(errs, n.root.Close())
		}
	}
	if l.dir != "" {
		errs = append(errs, removeTree(l.dir))
	}
	return errors.Join(errs...)
}

// Endpoint is the URL of the API, such as http://127.0.0.1:40123.
func (l *Lab) Endpoint() string { return l.endpoint }

// Region is the region to sign for when a client has none of its own. The lab
// takes any.
func (l *Lab) Region() string { return defaultRegion }

// AccountID is the account that the nodes belong to.
func (l *Lab) AccountID() string { return accountID }

// Credentials returns the one key pair that the lab accepts, made at the start.
func (l *Lab) Credentials() (id, secret string) { return l.keyID, l.secret }

// CACertPEM is the certificate of the authority that signed the server's
// certificate, or nil without TLS.
func (l *Lab) CACertPEM() []byte { return l.caPEM }

// caFile holds CACertPEM, for programs that take a file.
func (l *Lab) caFile() string { return filepath.Join(l.dir, "ca.pem") }

// Environ returns KEY=VALUE settings that point AWS's SDKs and CLI at the lab,
// with TLS also AWS_CA_BUNDLE: a file that Close removes.
func (l *Lab) Environ() []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=" + l.keyID,
		"AWS_SECRET_ACCESS_KEY=" + l.secret,
		"AWS_REGION=" + defaultRegion,
		"AWS_DEFAULT_REGION=" + defaultRegion,
		"AWS_ENDPOINT_URL=" + l.endpoint,
		"AWS_EC2_METADATA_DISABLED=true",
	}
	if l.caPEM != nil {
		env = append(env, "AWS_CA_BUNDLE="+l.caFile())
	}
	return env
}

// Processes counts the live processes that the nodes started, wherever they
// went.
func (l *Lab) Processes() int { return l.nursery.count() }

// randomBytes returns n bytes that nobody can guess.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// randomText returns n characters of lower-case letters and digits.
func randomText(n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	b := randomBytes(n)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}
