package shell

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The step server as a static binary for targets with neither perl nor python3,
// or with many steps: stepserver has its source, and the command below builds
// the two files, the same bytes on every machine with the same Go.
//
//go:generate go test -count=1 -run ^TestStaticServersAreBuiltFromTheirSource$ . -args -rebuild

var (
	//go:embed stepserver/linux_amd64.gz
	staticAMD64 []byte
	//go:embed stepserver/linux_arm64.gz
	staticARM64 []byte
	//go:embed static.sh
	staticSh string
)

// staticFor are the binaries by what uname says of the machine.
var staticFor = map[string][]byte{"x86_64": staticAMD64, "aarch64": staticARM64}

// StaticSize is about how many bytes UseStatic sends.
func StaticSize() int64 { return int64(max(len(staticAMD64), len(staticARM64))) }

// StaticError says why the static step server does not run on the target. The
// step server that was there before, or another of its kind, runs the steps.
type StaticError struct{ Err error }

func (e *StaticError) Error() string { return e.Err.Error() }
func (e *StaticError) Unwrap() error { return e.Err }

// UseStatic sends the static step server to the target, has it take the place of
// the one that runs, and returns when it has answered. The file is gone from the
// target as soon as it runs, and when the session ends before that. If it should
// be killed, the next step starts an ordinary one.
//
// The error is a *StaticError when the target cannot run it: the session is as
// good as it was. It is a *BootError or a *LostError when the session is not.
func (c *Client) UseStatic(ctx context.Context) (Info, error) {
	info, err := c.Boot(ctx)
	if err != nil {
		return Info{}, err
	}
	packed, dir, err := c.place(ctx)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		err = &StaticError{refused}
	}
	if err != nil {
		return info, err
	}
	return c.startStatic(ctx, packed, dir)
}

// place returns the binary for the target, and a new directory there from which
// it can be executed.
func (c *Client) place(ctx context.Context) (packed *packedStatic, dir string, err error) {
	var out, complaint bytes.Buffer
	step := Step{Script: []byte(compact(staticSh, true)), Args: []string{".ssmrun-" + randomID(8), staticName}}
	result, err := c.Run(ctx, step, &out, &complaint)
	if err != nil {
		return nil, "", err
	}
	if result.ExitCode != 0 || result.Signal != "" || out.Len() == 0 {
		return nil, "", &StaticError{fmt.Errorf("the target could not say what it is: exit code %d%s", result.ExitCode, lastLine(complaint.String()))}
	}
	machine, rest, _ := strings.Cut(out.String(), "\n")
	missing, rest, _ := strings.Cut(rest, "\n")
	dir = strings.TrimSuffix(rest, "\n")
	system, processor, _ := strings.Cut(machine, " ")
	data := staticFor[processor]
	switch {
	case system != "Linux" || data == nil:
		err = fmt.Errorf("it is for Linux on x86_64 and aarch64, and uname says %q", machine)
	case missing != "":
		err = fmt.Errorf("the target has no%s, which it takes to receive it", missing)
	case dir == "":
		err = errors.New("the target has no directory where this user can both write and execute a file")
	default:
		packed, err = pack(data)
		return packed, dir, err
	}
	return nil, "", &StaticError{err}
}

// packedStatic is a binary as it is sent, and the SHA-256 of what it is.
type packedStatic struct {
	data []byte
	sum  string
}

func pack(data []byte) (*packedStatic, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpack step server: %w", err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, z); err != nil {
		return nil, fmt.Errorf("unpack step server: %w", err)
	}
	return &packedStatic{data, hex.EncodeToString(sum.Sum(nil))}, nil
}

// startStatic ends the running server, sends the static one and starts it. When
// it does not start an ordinary one is started again.
func (c *Client) startStatic(ctx context.Context, packed *packedStatic, dir string) (Info, error) {
	if err := c.acquire(ctx); err != nil {
		return Info{}, &BootError{Screen: c.Screen(), Err: err}
	}
	defer c.release()
	boot := &bootWait{answers: make(chan bootAnswer, 16)}
	c.mu.Lock()
	before := c.server
	c.server, c.boot = nil, boot
	c.mu.Unlock()
	tools, quit := []string(nil), ""
	if before != nil {
		tools, quit = before.words, "#"+before.nonce+" Q\n"
	}
	s, err := c.startServer(ctx, boot, tools, func(start, nonce string) string {
		return quit + staticText(dir, start, nonce, packed)
	})
	c.mu.Lock()
	c.boot = nil
	c.mu.Unlock()
	switch {
	case err == nil:
		return s.info, nil
	case errors.Is(err, errServerEnded):
		err = &StaticError{fmt.Errorf("it was sent, and did not start%s", lastLine(c.Screen()))}
		s, again := c.up(ctx)
		if again == nil {
			return s.info, err
		}
		err = again
	}
	return Info{}, &BootError{Screen: c.Screen(), Err: err}
}

// lastLine is the end of a screen, perhaps why a program did not start.
func lastLine(screen string) string {
	screen = strings.TrimSpace(screen)
	if screen = screen[strings.LastIndexByte(screen, '\n')+1:]; screen == "" {
		return ""
	}
	return fmt.Sprintf("; the session showed: %q", screen)
}

// staticName is the file's, in a directory of its own.
const staticName = "stepserver"

// staticText is stage 1 for the static server in dir, a path of harmless
// characters. What is packed comes first, through the terminal, where sed takes a
// line at a time; without it the file is there. Between steps the loader takes no
// more than a line either, and someone always reads, so that it need not be
// acknowledged: it all goes at once. Whatever ends this ends with the directory.
func staticText(dir, start, nonce string, packed *packedStatic) string {
	file := dir + "/" + staticName
	var b strings.Builder
	b.WriteString("#L (trap : INT;trap 'rm -rf " + dir + "' 0;trap 'exit 1' HUP TERM;")
	if packed != nil {
		b.WriteString("umask 077;sed -n '/^#E/q;s/^#://p'|base64 -d|gzip -dc >" + file + "&&" +
			"{ ! command -v sha256sum >/dev/null||[ \"$(sha256sum <" + file + ")\" = '" + packed.sum + "  -' ];}&&chmod 700 " + file + "&&")
	}
	b.WriteString(file + " " + dir + ");_x " + start + " $?\n")
	if packed != nil {
		for data := packed.data; len(data) > 0; {
			var line string
			line, data = base64Line(data)
			b.WriteString("#:" + line + "\n")
		}
		b.WriteString("#E\n")
	}
	b.WriteString("#N " + nonce + " -\n")
	return b.String()
}
