package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var sessionCases = []tortureCase{
	{name: "fake frames", step: sh(`echo '@0 X 1 0 0 1 0 0 0 0'; printf '\n@ X 2 0\n#N x\n#E\n'`), out: "@0 X 1 0 0 1 0 0 0 0\n\n@ X 2 0\n#N x\n#E\n"},
	{name: "fake marks and totals", step: sh(`printf '@%032d T 1 O 0 0 0\n@%032d X 1 0 0 1 0 0 0 0\nEXIT_CODE: 0\n' 0 0; exit 6`),
		out: fmt.Sprintf("@%032d T 1 O 0 0 0\n@%032d X 1 0 0 1 0 0 0 0\nEXIT_CODE: 0\n", 0, 0), code: 6},
	{name: "stderr that looks like the session's", step: sh("echo 'sh: 1: not found' >&2; echo 'Cannot perform start session: EOF' >&2"), errs: "sh: 1: not found\nCannot perform start session: EOF\n"},
	{name: "the nonce is hidden", play: playNonce},
	{name: "streams while it runs", play: playStreams},
	{name: "10 small steps", play: playMany},
	{name: "kill -9 $PPID", play: killsServer("kill -9 $PPID; sleep 0.3")},
	{name: "kill -TERM $PPID", play: killsServer("kill -TERM $PPID; sleep 3")},
	{name: "interrupts for the server", play: playInterrupts},
	{name: "terminal stops for the server", step: sh("kill -TSTP $PPID; kill -TTIN $PPID; kill -TTOU $PPID; sleep 0.1; kill -CONT $PPID; echo on"), out: "on\n"},
	{name: "the server stopped for a while", step: sh("(sleep 0.3; kill -CONT $PPID) & kill -STOP $PPID; echo on; wait"), out: "on\n"},
	{name: "files of the server removed", play: playRemovedFiles},
	{name: "a bell, a reset and a clear", step: sh("printf '\\007\\033c\\033[2J\\033[3J'"), out: "\a\x1bc\x1b[2J\x1b[3J"},
	{name: "after all that", step: sh("echo fine"), out: "fine\n"},
}

// playNonce looks for the nonce in every argument list and environment.
func playNonce(t testing.TB, r *rig) {
	out, _, _ := r.run(t, sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null"))
	if n := r.serving().nonce; strings.Contains(out, n) || strings.Contains(out, n[:16]) {
		t.Error("the nonce is in an argument list or an environment")
	}
}

// playStreams has a step that ends only after its first line was seen.
func playStreams(t testing.TB, r *rig) {
	fifo := filepath.Join(t.TempDir(), "go")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	opened := make(chan error, 1)
	out := &firstWrite{then: func() { go func() { opened <- os.WriteFile(fifo, []byte("x\n"), 0) }() }}
	_, err := r.Run(ctx, sh("mkfifo "+fifo+"; echo first; read x <"+fifo+"; echo second"), out, nil)
	if err != nil || out.String() != "first\nsecond\n" {
		t.Errorf("got %q, %v: the first line did not come before the end", out.String(), err)
	}
	select {
	case err = <-opened:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		t.Error(err)
	}
}

func playMany(t testing.TB, r *rig) {
	for i := range 10 {
		out, _, res := r.run(t, sh(fmt.Sprintf("N=$((${N-0}+1)); export N; echo $N; exit %d", i)))
		if out != fmt.Sprintf("%d\n", i+1) || res.ExitCode != i || !res.Verified() {
			t.Errorf("step %d: got %q %+v", i, out, res)
			break
		}
	}
	r.run(t, sh("unset N"))
}

// killsServer runs a step that ends its server: it is lost at once, and the
// next one has another server.
func killsServer(script string) func(t testing.TB, r *rig) {
	return func(t testing.TB, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var out bytes.Buffer
		_, err := r.Run(ctx, sh(script), &out, nil)
		var lost *LostError
		if !errors.As(err, &lost) {
			t.Errorf("got %v, want a LostError", err)
		}
		if ctx.Err() != nil {
			t.Error("the loss was noticed by the timeout only")
		}
		// Longer than a server that was told to end takes for it.
		tortureCase{step: sh("sleep 0.8; echo again; exit 5"), out: "again\n", code: 5}.check(t, r)
	}
}

// playRemovedFiles takes the sh server's directory away, as a clean-up of /tmp
// does. The step's own result is exact.
func playRemovedFiles(t testing.TB, r *rig) {
	dir := r.serving().set["dir"]
	if dir == "" {
		return
	}
	r.run(t, sh("cd /usr"))
	out, errs, res := r.run(t, sh("rm -rf '"+dir+"'; echo a; exit 3"))
	if out != "a\n" || errs != "" || res.ExitCode != 3 || !res.Verified() || res.StateSaved {
		t.Errorf("got %q %q %+v", out, errs, res)
	}
	// What the steps before have left is gone, so the next one must not run.
	out, errs, res = r.run(t, sh("echo b"))
	if out != "" || !strings.Contains(errs, "not run") || res.ExitCode != dirMissing {
		t.Errorf("then: got %q %q %+v", out, errs, res)
	}
	// Another server begins anew.
	server := r.serving()
	if p, err := os.FindProcess(server.info.PID); err != nil || p.Kill() != nil {
		t.Fatalf("the server cannot be killed: %v", err)
	}
	<-server.gone
	tortureCase{step: sh("echo again; exit 5"), out: "again\n", code: 5}.check(t, r)
}

// playInterrupts sends the server what a terminal would. Between framers the
// parent of a step's shell is not the server; the loss of that is a loss.
func playInterrupts(t testing.TB, r *rig) {
	var out bytes.Buffer
	res, err := r.Run(t.Context(), sh("kill -INT $PPID; kill -QUIT $PPID; kill -PIPE $PPID; echo on"), &out, nil)
	_, lost := errors.AsType[*LostError](err)
	framed := r.serving().info.Server == "sh" && r.serving().set["pipe"] != "1"
	if (err != nil || out.String() != "on\n" || !res.Verified()) && !(lost && framed) {
		t.Errorf("got %q %+v, %v", out.String(), res, err)
	}
	tortureCase{step: sh("echo next"), out: "next\n"}.check(t, r)
}
