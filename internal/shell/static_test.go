package shell

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// placeStatic puts this machine's static step server in a directory of its own,
// where the loader takes it from.
func placeStatic(t testing.TB) (dir string) {
	t.Helper()
	packed, known := staticArchitectures[runtime.GOARCH]
	if runtime.GOOS != "linux" || !known {
		t.Skip("there is no static step server for this machine")
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	binary, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "static")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// A process that another test starts meanwhile would hold the file open for
	// writing, and a file that is cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(dir, staticName), binary, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

var rebuild = flag.Bool("rebuild", false, "build the static step servers and keep them")

// built is what stepserver/built has: the Go that the binaries are of, and the
// digest of their source.
func built(t *testing.T) (goVersion, source string) {
	t.Helper()
	text, err := os.ReadFile("stepserver/built")
	words := strings.Fields(string(text))
	if err != nil || len(words) != 2 {
		t.Fatalf("stepserver/built: got %q, %v", text, err)
	}
	return words[0], words[1]
}

func sourceOfStatic(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("stepserver/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("the source of the static step server is not here")
	}
	sum := sha256.New()
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(name), len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func TestStaticServersAreBuiltFromTheirSource(t *testing.T) {
	source := sourceOfStatic(t)
	if *rebuild {
		for arch := range staticArchitectures {
			if err := os.WriteFile("stepserver/linux_"+arch+".gz", buildStatic(t, arch), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile("stepserver/built", []byte(runtime.Version()+" "+source+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	version, of := built(t)
	if of != source {
		t.Fatal("the source has changed since the binaries were built: run go generate ./internal/shell")
	}
	if testing.Short() {
		t.Skip("comparing the bytes takes a build")
	}
	if version != runtime.Version() {
		t.Skipf("the binaries are of %s, this is %s, and another Go makes other bytes", version, runtime.Version())
	}
	for arch, committed := range staticArchitectures {
		if !bytes.Equal(buildStatic(t, arch), committed) {
			t.Errorf("linux_%s.gz is not what its source gives: run go generate ./internal/shell", arch)
		}
	}
}

var staticArchitectures = map[string][]byte{"amd64": staticAMD64, "arm64": staticARM64}

// buildStatic builds a static step server; nothing of this machine is in it.
func buildStatic(t *testing.T, arch string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stepserver")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", file, "./stepserver")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GODEBUG=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one
	z.Write(binary)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// bare is a target with neither perl nor python3, and a TMPDIR of its own.
func bare(t *testing.T) (env []string, tmp string) {
	tmp = t.TempDir()
	return []string{"PATH=" + toolsWithout(t, "perl", "python3"), "TMPDIR=" + tmp}, tmp
}

// wantNothingIn looks for what a static server has left. A sh server has a
// directory of its own.
func (r *rig) wantNothingIn(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(r.serving().set["dir"]) {
			t.Errorf("left on the target: %v", e)
		}
	}
}

func TestSendsTheStaticServer(t *testing.T) {
	t.Parallel()
	placeStatic(t) // skips where there is none
	env, tmp := bare(t)
	r := boot(t, []string{"/bin/dash"}, agent, Options{}, env...)
	if r.serving().info.Server != "sh" {
		t.Fatalf("before: got %s", r.serving().info.Server)
	}
	info, err := r.UseStatic(t.Context())
	if err != nil || info.Server != "static" || info.Shell == "" || !slices.Contains(info.Tools, "gzip") {
		t.Fatalf("got %+v, %v", info, err)
	}
	r.wantNothingIn(t, tmp)
	all := string(allBytes())
	out, errs, res := r.run(t, Step{Script: []byte("cat; echo oops >&2; cd /usr; export A=b; kill -USR1 $$"), Stdin: []byte(all)})
	if out != all || errs != "oops\n" || res.Signal != "USR1" || !res.Verified() || res.Duration <= 0 {
		t.Errorf("got %q %q %+v", out, errs, res)
	}
	r.run(t, sh("cd /usr; export A=b"))
	if out, _, _ := r.run(t, sh("pwd; echo $A")); out != "/usr\nb\n" {
		t.Errorf("state: got %q", out)
	}
	var lost *LostError
	if _, err := r.Run(t.Context(), sh("kill -9 $PPID; sleep 0.1"), nil, nil); !errors.As(err, &lost) {
		t.Fatalf("killed: got %v", err)
	}
	if out, _, _ := r.run(t, sh("echo again")); out != "again\n" || r.serving().info.Server != "sh" {
		t.Errorf("afterwards: got %q from %s", out, r.serving().info.Server)
	}
}

func TestStaticServerThatIsCutOffLeavesNothing(t *testing.T) {
	t.Parallel()
	placeStatic(t) // skips where there is none
	env, tmp := bare(t)
	r := boot(t, []string{"/bin/dash"}, agent, Options{}, env...)
	in := r.in
	r.in = writerFunc(func(p []byte) (int, error) {
		i := bytes.Index(p, []byte("\n#E\n"))
		if i < 0 {
			return in.Write(p)
		}
		in.Write(p[:i/2])
		r.cmd.Process.Kill() // the terminal hangs up with its first process
		return 0, io.EOF
	})
	var boot *BootError
	if _, err := r.UseStatic(t.Context()); !errors.As(err, &boot) {
		t.Errorf("got %v, want a BootError", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, _ := filepath.Glob(tmp + "/.ssmrun-*/*")
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left on the target: %q", left)
		}
	}
}

func TestStaticServerFallsBack(t *testing.T) {
	placeStatic(t)                                       // skips where there is none
	const broken = "cat >/dev/null; printf 'no program'" // as if what came were damaged
	fake := func(t *testing.T, name, text string) string {
		dir := toolsWithout(t, "perl", "python3", name)
		if text == "" {
			return dir
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, tc := range map[string]struct {
		argv []string
		tool string // a program of the target's
		text string
		want string
	}{
		"another architecture": {[]string{"/bin/dash"}, "uname", "echo Linux riscv64", `uname says "Linux riscv64"`},
		"another system":       {[]string{"/bin/dash"}, "uname", "echo FreeBSD amd64", `uname says "FreeBSD amd64"`},
		"no uname":             {[]string{"/bin/dash"}, "uname", "exit 127", `uname says ""`},
		"nowhere to put it":    {[]string{"/bin/dash"}, "chmod", "exit 1", "no directory where this user can both write and execute"},
		"no gzip":              {[]string{"/bin/dash"}, "gzip", "", "the target has no gzip"},
		"damaged on the way":   {[]string{"/bin/dash"}, "gzip", broken, "it was sent, and did not start"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			r := boot(t, tc.argv, agent, Options{}, "PATH="+fake(t, tc.tool, tc.text)+":/nowhere", "TMPDIR="+tmp)
			info, err := r.UseStatic(t.Context())
			var static *StaticError
			if !errors.As(err, &static) || !strings.Contains(err.Error(), tc.want) || info.Server != "sh" {
				t.Errorf("got %+v, %v; want %q", info, err, tc.want)
			}
			r.wantNothingIn(t, tmp)
			if out, _, res := r.run(t, sh("echo on")); out != "on\n" || !res.Verified() {
				t.Errorf("afterwards: got %q %+v", out, res)
			}
		})
	}
}

// A session whose every place for the file is mounted noexec.
func TestStaticServerNeedsAPlaceToExecuteFrom(t *testing.T) {
	t.Parallel()
	placeStatic(t) // skips where there is none
	mounts := "mount --make-rprivate / && for d in /tmp /var/tmp /run /dev/shm; do [ -d $d ] && { mount -t tmpfs -o noexec tmpfs $d || exit; }; done; mkdir /tmp/home && HOME=/tmp/home exec dash"
	if out, err := exec.Command("unshare", "-m", "sh", "-c", strings.TrimSuffix(mounts, "exec dash")+"true").CombinedOutput(); err != nil {
		t.Skipf("this machine makes no mount namespaces: %v %s", err, out)
	}
	r := boot(t, []string{"unshare", "-m", "sh", "-c", mounts}, agent, Options{})
	info, err := r.UseStatic(t.Context())
	var static *StaticError
	if !errors.As(err, &static) || !strings.Contains(err.Error(), "write and execute") || info.Server != "perl" {
		t.Errorf("got %+v, %v", info, err)
	}
	if out, _, _ := r.run(t, sh("ls -A /tmp /var/tmp /dev/shm | grep ssmrun; echo on")); out != "on\n" {
		t.Errorf("afterwards: got %q", out)
	}
}

// A process that has left the step's group and closed its streams is seen by
// what reaps it.
func TestStaticServerSeesWhatEscapes(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, agent, Options{Servers: []string{"static"}})
	out, _, _ := r.run(t, sh("sleep 300 >/dev/null 2>&1 & echo $!")) // of an earlier step: no escape
	earlier := trim(out)
	_, res := r.cancelled(t, "echo up; sleep 300", 5*time.Second)
	if !res.Cancelled || res.Escaped {
		t.Errorf("without an escape: got %+v", res)
	}
	out, res = r.cancelled(t, "setsid sh -c 'echo $$; exec sleep 300 >/dev/null 2>&1 </dev/null' & wait", 5*time.Second)
	if !res.Cancelled || !res.Escaped || res.Held {
		t.Errorf("with an escape: got %+v", res)
	}
	r.run(t, sh("kill "+earlier+" "+trim(out)))
}
