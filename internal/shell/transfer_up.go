package shell

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"time"
)

// What of an upload is one step: as much as is in memory, here and there. The
// sh server is slow, and its input goes through a file.
const (
	pieceFast = 2 << 20
	pieceSh   = 256 << 10
)

// Upload is content to put on the target.
type Upload struct {
	Content     io.ReaderAt
	Size        int64
	SHA256      string // of the content, hexadecimal
	Tree        bool   // the content is a tar archive, and the destination the directory that it makes
	Destination string // absolute; what holds it has to be there
	Target      string // tells those apart that share a file system
	Replace     bool   // of a tree: a directory that is there is replaced
	Mode        string // of a file, octal
	Owner       string // USER or USER:GROUP, "" leaves it to the target
	User        string // as for Step
	Grace       time.Duration
	Progress    func(done int64) // bytes of the content that the target has; may be nil
}

// Uploaded is what became of an upload.
type Uploaded struct {
	Resumed int64  // bytes that an earlier session had brought
	Checked string // the target's tool that has checked the whole; "none" when it has none
}

// Upload puts content on the target, in steps of a bounded size. The content
// appears at the destination at once: it is written beside it, checked, given
// its mode and owner, and renamed; of a tree that replaces another, the other
// is moved away before. A symbolic link at the destination is replaced, not
// followed. Of two uploads to one place at a time the later goes on, and the
// earlier fails.
//
// The error is a *TransferError when the transfer has failed and left nothing,
// and that of Run otherwise. After a *LostError the destination may have the
// content, if Placing says so; what was sent is kept, and the same Upload goes
// on from there.
func (c *Client) Upload(ctx context.Context, u Upload) (done Uploaded, err error) {
	t := &uploading{transfer: transfer{Client: c, user: u.User, grace: u.Grace}, Upload: u}
	info, err := c.Boot(ctx)
	if err != nil {
		return Uploaded{}, err
	}
	t.encodingFor(info)
	name := sha256.Sum256([]byte(u.Target + "\x00" + u.User + "\x00" + u.Destination))
	t.dir = path.Join(path.Dir(u.Destination), ".ssmrun-"+hex.EncodeToString(name[:12]))
	t.id = randomID(8)
	defer func() { t.abort(ctx, err, t.dir, t.id, u.Destination) }()
	if done.Resumed, err = t.begin(ctx); err != nil {
		return done, err
	}
	sum, whole := &posixSum{}, sha256.New()
	both := io.MultiWriter(sum, whole)
	if _, err = io.Copy(both, io.NewSectionReader(u.Content, 0, done.Resumed)); err != nil {
		return done, &TransferError{Err: err}
	}
	for at := done.Resumed; at < u.Size; {
		t.report(at)
		n, err := t.append(ctx, at, both)
		if err != nil {
			return done, err
		}
		at += n
	}
	t.report(u.Size)
	if hex.EncodeToString(whole.Sum(nil)) != u.SHA256 {
		return done, &TransferError{Err: errChanged}
	}
	done.Checked, err = t.finish(ctx, sum)
	return done, err
}

// errChanged is said here, because not every target can tell.
var errChanged = errors.New("what is uploaded has changed while it was read; the destination is as it was")

// PlacingError is the *LostError of the last step of an upload: the content may
// be in its place.
type PlacingError struct{ *LostError }

func (e *PlacingError) Unwrap() error { return e.LostError }

// uploading is an upload under way.
type uploading struct {
	transfer
	Upload
	dir    string // private, beside the destination
	id     string // of this upload, which dir belongs to until another begins
	piece  int64
	base64 bool // the step server takes every byte, but needs several characters for most
	gzip   bool
}

func (t *uploading) encodingFor(info Info) {
	t.piece = pieceFast
	t.gzip = slices.Contains(info.Tools, "gzip")
	if info.Server == "sh" {
		t.piece = pieceSh
		t.base64 = slices.Contains(info.Tools, "base64")
	}
	if t.opts.piece > 0 {
		t.piece = t.opts.piece
	}
}

func (t *uploading) report(done int64) {
	if t.Progress != nil {
		t.Progress(done)
	}
}

func (t *uploading) what() string {
	if t.Tree {
		return "tree"
	}
	return "file"
}

func (t *uploading) replace() string {
	if t.Replace {
		return "replace"
	}
	return ""
}

// begin returns how many bytes of this content the target has already.
func (t *uploading) begin(ctx context.Context) (int64, error) {
	words, err := t.ask(ctx, "begin", t.dir, t.id, t.Destination, t.what(), t.replace())
	if err != nil {
		return 0, err
	}
	size, digest, err := described(words)
	if err != nil {
		return 0, &TransferError{Err: err}
	}
	if size == 0 {
		return 0, nil
	}
	if size <= t.Size && digest.Checks() {
		same, err := digest.matches(t.Content, size)
		if err != nil {
			return 0, &TransferError{Err: err}
		}
		if same {
			return size, nil
		}
	}
	_, err = t.ask(ctx, "restart", t.dir, t.id)
	return 0, err
}

// append sends the next piece and adds it to the sum.
func (t *uploading) append(ctx context.Context, at int64, sum io.Writer) (int64, error) {
	piece := make([]byte, min(t.piece, t.Size-at))
	if n, err := t.Content.ReadAt(piece, at); n < len(piece) {
		if errors.Is(err, io.EOF) {
			err = errChanged
		}
		return 0, &TransferError{Err: err}
	}
	_, _ = sum.Write(piece)
	encoding, text := t.encode(piece)
	after := at + int64(len(piece))
	_, err := t.part(ctx, "append", []string{t.dir, t.id, strconv.FormatInt(at, 10), strconv.FormatInt(after, 10), encoding,
		strconv.FormatInt(t.Size, 10)}, text, nil)
	return int64(len(piece)), err
}

// encode compresses a piece when that pays.
func (t *uploading) encode(piece []byte) (encoding string, text []byte) {
	if t.gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(piece)
		if z.Close() == nil && b.Len() < len(piece)/10*9 {
			encoding, piece = "z", b.Bytes()
		}
	}
	if t.base64 {
		return "b" + encoding, base64.StdEncoding.AppendEncode(nil, piece)
	}
	if encoding == "" {
		encoding = "-"
	}
	return encoding, piece
}

// finish puts the content in its place.
func (t *uploading) finish(ctx context.Context, sum *posixSum) (checked string, err error) {
	mode := t.Mode
	if mode == "" {
		mode = "644"
	}
	words, err := t.ask(ctx, "finish", t.dir, t.id, t.Destination, t.what(), t.replace(),
		t.SHA256, strconv.FormatUint(uint64(sum.value()), 10), mode, t.Owner)
	if lost, ok := errors.AsType[*LostError](err); ok {
		return "", &PlacingError{lost}
	}
	if err != nil {
		return "", err
	}
	_, digest, err := described(words)
	if err != nil {
		return "", &PlacingError{&LostError{Began: true, Err: fmt.Errorf("place the content: %w", err)}}
	}
	return digest.Tool, nil
}
