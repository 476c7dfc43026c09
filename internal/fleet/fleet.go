package fleet

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options is how a Fleet talks to AWS: the AWS options of the command line,
// with the AWS CLI's meaning. The zero value reads the environment and the
// shared config files as every SDK does.
type Options struct {
	// Profile and Region are what -profile and -region say. They are for the
	// provider blocks that say nothing; when all blocks say something else,
	// the flag would be ignored silently, and Open refuses it.
	Profile string
	Region  string

	// EndpointURL is used for every service but STS. Without it AWS_ENDPOINT_URL_SSM,
	// AWS_ENDPOINT_URL and endpoint_url of the profile count.
	EndpointURL string

	// CABundle is a PEM file whose certificates are trusted instead of the
	// system's. Without it AWS_CA_BUNDLE and ca_bundle of the profiles count.
	CABundle    string
	NoVerifySSL bool

	// ConnectTimeout bounds one dial, ReadTimeout the wait for an answer. Zero
	// means 60 s, as in the AWS CLI; negative means no limit.
	ConnectTimeout time.Duration
	ReadTimeout    time.Duration

	// NoSignRequest sends requests without a signature and needs no
	// credentials.
	NoSignRequest bool

	// Static credentials are used instead of the credential chain.
	Static *Credentials

	// Isolated is for the lab: Static, Region, for providers that name none, and
	// EndpointURL are all there is. No AWS file or variable is read, no other host
	// is talked to, and what providers say of profile and role is ignored.
	Isolated bool

	// StartRate, when not 0, is used instead of every provider's start_rate.
	// +Inf means no pacing.
	StartRate float64

	// MFACode asks the operator for a code when a profile's role wants one.
	// Without it such a profile is an error.
	MFACode func() (string, error)

	// RunID is written into the reason of sessions by Reason; Fleet itself uses
	// it for its log only.
	RunID string

	// Logger gets one debug line a call to AWS: operation, duration, outcome;
	// never a body, a header or a URL. Nil logs nothing.
	Logger *slog.Logger
}

// Credentials are an access key given by hand.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey Secret
	SessionToken    Secret
	AccountID       string // "" when not known
}

// Output is where a session's streams go, and who hears of reconnects. See
// channel.Config for what the writers may do.
type Output struct {
	Stdout, Stderr io.Writer
	OnReconnect    func(attempt int, cause error)
}

// Fleet is the AWS side of a run. Its methods may be called concurrently once
// Open has returned.
type Fleet struct {
	opts   Options
	logger *slog.Logger

	// set by Open, then only read
	client    *http.Client
	transport *http.Transport // nil in tests that bring their own client
	tls       *tls.Config
	proxy     func(*http.Request) (*url.URL, error)
	providers map[string]*provider

	mu     sync.Mutex // protects what follows
	pacers map[string]*pacer
}

// New returns a Fleet that has done nothing yet.
func New(opts Options) *Fleet {
	logger := opts.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Fleet{opts: opts, logger: logger, pacers: map[string]*pacer{}}
}

// Close drops idle connections. Sessions that are open stay open.
func (f *Fleet) Close() {
	if f.transport != nil {
		f.transport.CloseIdleConnections()
	}
}
