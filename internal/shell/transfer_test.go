package shell

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func uploadOf(content []byte, destination string) Upload {
	sum := sha256.Sum256(content)
	return Upload{Content: bytes.NewReader(content), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Destination: destination}
}

// partial is a Partial in memory.
type partial struct{ bytes.Buffer }

func (p *partial) ReadAt(b []byte, at int64) (int, error) {
	return bytes.NewReader(p.Bytes()).ReadAt(b, at)
}

func (r *rig) upload(t *testing.T, u Upload) Uploaded {
	t.Helper()
	done, err := r.Upload(t.Context(), u)
	if err != nil {
		t.Fatalf("upload: %v\nscreen: %s", err, r.Screen())
	}
	return done
}

func (r *rig) download(t *testing.T, source string) (string, Downloaded) {
	t.Helper()
	var to partial
	done, err := r.Download(t.Context(), Download{
		Source: source, Limit: 1 << 30,
		Open: func(Remote) (Partial, int64, error) { return &to, 0, nil },
	})
	if err != nil {
		t.Fatalf("download: %v\nscreen: %s", err, r.Screen())
	}
	return to.String(), done
}

// partOf is the private directory of an upload.
func partOf(u Upload) string {
	name := sha256.Sum256([]byte("\x00\x00" + u.Destination))
	return filepath.Join(filepath.Dir(u.Destination), ".ssmrun-"+hex.EncodeToString(name[:12]))
}

// leftIn fails when something of a transfer is left beside a destination.
func leftIn(t *testing.T, dir string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(dir, ".ssmrun-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestTransfersAFileOnEveryShell(t *testing.T) {
	content := append(noise(20_000), bytes.Repeat([]byte("a line of text\n"), 3000)...)
	for name, argv := range shells(t) {
		for _, server := range servers {
			if name == "yash" && server == "sh" {
				continue // refuses to start
			}
			if server != "sh" && name != "dash" && name != "fish" {
				continue // the session's shell has no part in it
			}
			t.Run(name+"/"+server, func(t *testing.T) {
				t.Parallel()
				r := boot(t, argv, habits{exact: true}, Options{Servers: []string{server}, piece: 30_000})
				dir := t.TempDir()
				path := filepath.Join(dir, "-a \"file'\n é ")
				r.upload(t, uploadOf(content, path))
				got, err := os.ReadFile(path)
				if err != nil || !bytes.Equal(got, content) {
					t.Fatalf("uploaded: %d bytes of %d are the same: %v", len(got), len(content), err)
				}
				if info, _ := os.Stat(path); info.Mode() != 0o644 {
					t.Errorf("mode: got %v, want 0644", info.Mode())
				}
				leftIn(t, dir)
				back, done := r.download(t, path)
				if back != string(content) || done.Size != int64(len(content)) || done.Digest.Tool != "sha256sum" {
					t.Errorf("downloaded: %d bytes, %+v", len(back), done)
				}
			})
		}
	}
}

func TestTransfersWithFewTools(t *testing.T) {
	bare := []string{"perl", "python3"}
	cases := map[string]struct {
		missing []string
		by      string
	}{
		"all":               {nil, "sha256sum"},
		"no sha256sum":      {[]string{"sha256sum"}, "openssl"},
		"python3 to check":  {[]string{"sha256sum", "openssl", "perl"}, "python3"},
		"perl to check":     {[]string{"sha256sum", "openssl", "python3"}, "perl"},
		"cksum to check":    {append([]string{"sha256sum", "openssl"}, bare...), "cksum"},
		"no base64":         {append([]string{"base64", "openssl"}, bare...), "sha256sum"},
		"no gzip":           {append([]string{"gzip"}, bare...), "sha256sum"},
		"no cksum":          {append([]string{"cksum"}, bare...), "sha256sum"},
		"nothing but cksum": {append([]string{"base64", "openssl", "gzip", "sha256sum", "awk", "setsid"}, bare...), "cksum"},
	}
	content := append(noise(5_000), bytes.Repeat([]byte("text\n"), 1000)...)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"/bin/dash"}, habits{exact: true}, Options{}, "PATH="+toolsWithout(t, tc.missing...))
			path := filepath.Join(t.TempDir(), "f")
			done := r.upload(t, uploadOf(content, path))
			if done.Checked != tc.by {
				t.Errorf("checked by %s, want %s", done.Checked, tc.by)
			}
			if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
				t.Errorf("uploaded %d bytes, want %d", len(got), len(content))
			}
			if got, _ := r.download(t, path); got != string(content) {
				t.Errorf("downloaded %d bytes, want %d", len(got), len(content))
			}
		})
	}
}

func TestUploadGoesOnAfterALostSession(t *testing.T) {
	for _, server := range []string{"perl", "sh"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			content := noise(25_000)
			r := boot(t, []string{"dash"}, habits{exact: true}, Options{Servers: []string{server}, piece: 10_000})
			u := uploadOf(content, path)
			u.Progress = func(done int64) {
				if done > 0 {
					r.Lost(io.EOF)
				}
			}
			_, err := r.Upload(t.Context(), u)
			if _, placing := errors.AsType[*PlacingError](err); err == nil || placing {
				t.Fatalf("got %v, want a loss before the end", err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Fatal("an unfinished upload is in its place")
			}
			again := boot(t, []string{"dash"}, habits{exact: true}, Options{Servers: []string{server}})
			done := again.upload(t, uploadOf(content, path))
			if done.Resumed == 0 {
				t.Error("it began from the beginning")
			}
			if got, _ := os.ReadFile(path); !bytes.Equal(got, content) {
				t.Errorf("%d bytes of %d are the same", len(got), len(content))
			}
			leftIn(t, dir)
		})
	}
}

func TestUploadStartsAgainWhenItsPartIsNotTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	u := uploadOf([]byte("what is to come"), path)
	part := partOf(u)
	os.Mkdir(part, 0o700)
	os.WriteFile(filepath.Join(part, "data"), []byte("what was"), 0o600)
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{})
	if done := r.upload(t, u); done.Resumed != 0 {
		t.Errorf("resumed at %d", done.Resumed)
	}
	if got, _ := os.ReadFile(path); string(got) != "what is to come" {
		t.Errorf("got %q", got)
	}
}

// TestUploadsToOnePlaceDoNotMix: whoever begins last goes on, the other fails
// and removes nothing of it. Targets that share a file system do not meet at all.
func TestUploadsToOnePlaceDoNotMix(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "f")
		first, second := uploadOf(noise(300), path), uploadOf(noise(300), path)
		if shared {
			first.Target, second.Target = "i-1", "i-2"
		}
		other := boot(t, []string{"dash"}, habits{exact: true}, Options{piece: 100})
		r := boot(t, []string{"dash"}, habits{exact: true}, Options{piece: 100})
		first.Progress = func(done int64) {
			if done == 100 {
				other.upload(t, second)
			}
		}
		_, err := r.Upload(t.Context(), first)
		_, failed := errors.AsType[*TransferError](err)
		if shared && err != nil || !shared && (!failed || !strings.Contains(err.Error(), "another upload to the same place")) {
			t.Errorf("shared %v: %v", shared, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, noise(300)) {
			t.Errorf("%d bytes are there, or others", len(got))
		}
		leftIn(t, filepath.Dir(path))
	}
}

// TestUploadTakesOverFromOneThatIsUnderWay: the one that began first must not
// remove what the second is writing.
func TestUploadTakesOverFromOneThatIsUnderWay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	first, second := uploadOf(noise(300), path), uploadOf(noise(600)[300:], path)
	slow := boot(t, []string{"dash"}, habits{exact: true}, Options{piece: 100})
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{piece: 100})
	began, failed := make(chan struct{}), make(chan struct{})
	first.Progress = func(done int64) {
		if done == 100 {
			close(began)
			<-failed
		}
	}
	second.Progress = func(done int64) {
		if done == 100 {
			close(failed)
			<-began
		}
	}
	ended := make(chan error)
	go func() {
		<-began
		_, err := r.Upload(t.Context(), second)
		ended <- err
	}()
	if _, err := slow.Upload(t.Context(), first); err == nil {
		t.Error("the first has not failed")
	}
	if err := <-ended; err != nil {
		t.Errorf("the second: %v", err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, noise(600)[300:]) {
		t.Errorf("%d bytes are there, or others", len(got))
	}
	leftIn(t, filepath.Dir(path))
}

func TestUploadDoesNotFollowSymbolicLinks(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{})
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("mine"), 0o600)
	path := filepath.Join(dir, "f")
	os.Symlink(victim, path)
	u := uploadOf([]byte("new"), path)
	r.upload(t, u)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("destination: %v, %v", info, err)
	}
	// A link in the place of the private directory.
	os.Symlink(filepath.Dir(victim), partOf(u))
	if _, err := r.Upload(t.Context(), u); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "mine" {
		t.Errorf("the victim has %q", got)
	}
	if entries, _ := os.ReadDir(filepath.Dir(victim)); len(entries) != 1 {
		t.Errorf("beside the victim: %v", entries)
	}
}

func TestTransferSaysWhatIsWrong(t *testing.T) {
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{})
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "d"), 0o755)
	text := []byte("x")
	refused := uploadOf(text, filepath.Join(dir, "owned"))
	refused.Owner = "no-such-user-here"
	sum := uploadOf(text, filepath.Join(dir, "sum"))
	sum.SHA256 = strings.Repeat("0", 64)
	existing := uploadOf(archive(t), filepath.Join(dir, "d"))
	existing.Tree = true
	for want, u := range map[string]Upload{
		"the directory " + dir + "/none does not exist": uploadOf(text, dir+"/none/f"),
		"is a directory":        uploadOf(text, dir+"/d"),
		"no-such-user-here":     refused,
		"has changed while":     sum,
		dir + "/d exists":       existing,
		"mkdir: ":               uploadOf(text, "/proc/1/f"),
		"the directory /etc/pa": uploadOf(text, "/etc/passwd/x"),
	} {
		_, err := r.Upload(t.Context(), u)
		if _, failed := errors.AsType[*TransferError](err); !failed || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	spoiled := uploadOf([]byte("as planned"), filepath.Join(dir, "spoiled"))
	spoiled.Progress = func(done int64) {
		if done == spoiled.Size {
			os.WriteFile(filepath.Join(partOf(spoiled), "data"), []byte("as spoiled"), 0o600)
		}
	}
	if _, err := r.Upload(t.Context(), spoiled); err == nil || !strings.Contains(err.Error(), "another checksum") {
		t.Errorf("content that was changed on the target: %v", err)
	}
	shorter := uploadOf([]byte("as planned"), filepath.Join(dir, "shorter"))
	shorter.Content = strings.NewReader("as plan")
	if _, err := r.Upload(t.Context(), shorter); err == nil || !strings.Contains(err.Error(), "has changed while") {
		t.Errorf("a source that lost its end: %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("there are %v", names)
	}
	leftIn(t, dir)
	for source, want := range map[string]string{dir + "/none": "does not exist", "/dev/null": "not a regular file"} {
		_, err := r.Download(t.Context(), Download{Source: source, Limit: 10})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAFullDiskIsSaidWithItsNumbers(t *testing.T) {
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{})
	tools, dir := t.TempDir(), t.TempDir()
	for name, then := range map[string]string{"cat": "head -c 5", "base64": "head -c 5"} {
		script := "#!/bin/sh\n" + then + "\necho no space left >&2\nexit 1\n"
		if err := os.WriteFile(filepath.Join(tools, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.run(t, sh("export PATH="+tools+":$PATH"))
	file := uploadOf([]byte("as planned"), filepath.Join(dir, "f"))
	_, err := r.Upload(t.Context(), file)
	want := regexp.MustCompile(`^no space left; 5 of 10 bytes could be written to \S+, where [0-9]+ KiB are free$`)
	if _, failed := errors.AsType[*TransferError](err); !failed || !want.MatchString(err.Error()) {
		t.Errorf("got %v, want %v", err, want)
	}
	tree := uploadOf(archive(t), filepath.Join(dir, "d"))
	tree.Tree = true
	want = regexp.MustCompile(`cannot unpack to \S+, where [0-9]+ KiB are free$`)
	r.run(t, sh("cd "+tools+" && rm cat base64 && printf '#!/bin/sh\nexit 1\n' >tar && chmod +x tar"))
	if _, err := r.Upload(t.Context(), tree); err == nil || !want.MatchString(err.Error()) {
		t.Errorf("got %v, want %v", err, want)
	}
	leftIn(t, dir)
}

// archive is a tar archive with what is easily done wrong.
func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o750},
		{Name: "./empty/", Typeflag: tar.TypeDir, Mode: 0o700},
		{Name: "./-a b\n é", Typeflag: tar.TypeReg, Mode: 0o755, Size: 3},
		{Name: "./link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
	} {
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "abc"[:h.Size])
	}
	w.Close()
	return b.Bytes()
}

func TestTransfersADirectory(t *testing.T) {
	for _, server := range []string{"perl", "sh"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"dash"}, habits{exact: true}, Options{Servers: []string{server}})
			dir := t.TempDir()
			path := filepath.Join(dir, "tree")
			for round := range 2 {
				u := uploadOf(archive(t), path)
				u.Tree, u.Replace = true, round > 0
				r.upload(t, u)
				for name, want := range map[string]string{".": "drwxr-x---", "empty": "drwx------", "-a b\n é": "-rwxr-xr-x", "link": "Lrwxrwxrwx"} {
					info, err := os.Lstat(filepath.Join(path, name))
					if err != nil || info.Mode().String() != want {
						t.Errorf("%q: got %v %v, want %s", name, info, err, want)
					}
				}
				if _, err := os.Lstat(filepath.Join(path, "old")); err == nil {
					t.Error("what was replaced is still there")
				}
				leftIn(t, dir)
				os.WriteFile(filepath.Join(path, "old"), nil, 0o600)
			}
			got, done := r.download(t, path)
			if !done.Tree {
				t.Fatal("not known as a directory")
			}
			names := map[string]bool{}
			for from := tar.NewReader(strings.NewReader(got)); ; {
				h, err := from.Next()
				if err != nil {
					break
				}
				names[h.Name] = true
			}
			if len(names) != 5 || !names["./-a b\n é"] || !names["./empty/"] {
				t.Errorf("archive has %v", names)
			}
		})
	}
}

func TestDownloadGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{})
	content := noise(200_000)
	path := filepath.Join(t.TempDir(), "f")
	os.WriteFile(path, content, 0o600)
	var to partial
	to.Write(content[:120_000])
	before := r.wire.Load()
	done, err := r.Download(t.Context(), Download{
		Source: path, Limit: 1 << 20,
		Open: func(Remote) (Partial, int64, error) { return &to, 120_000, nil },
	})
	if err != nil || done.Resumed != 120_000 || !bytes.Equal(to.Bytes(), content) {
		t.Errorf("%+v %v", done, err)
	}
	if sent := r.wire.Load() - before; sent > 120_000 {
		t.Errorf("%d bytes on the wire for 80,000", sent)
	}
}

func TestDownloadStopsWhenItsWriterFails(t *testing.T) {
	t.Parallel()
	r := boot(t, []string{"dash"}, habits{exact: true}, Options{})
	path := filepath.Join(t.TempDir(), "f")
	os.WriteFile(path, noise(500_000), 0o600)
	_, err := r.Download(t.Context(), Download{
		Source: path, Limit: 1 << 20, Grace: time.Second,
		Open: func(Remote) (Partial, int64, error) { return full{}, 0, nil },
	})
	if err == nil || err.Error() != "disk full" {
		t.Errorf("got %v", err)
	}
	if out, _, _ := r.run(t, sh("echo ok")); out != "ok\n" {
		t.Errorf("the next step printed %q", out)
	}
}

type full struct{ io.ReaderAt }

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestUploadThatIsCancelledLeavesNothing(t *testing.T) {
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			r := boot(t, []string{"dash"}, habits{exact: true}, Options{Servers: []string{server}, piece: 10_000})
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			u := uploadOf(noise(25_000), filepath.Join(dir, "f"))
			u.Progress = func(done int64) {
				if done > 0 {
					cancel()
				}
			}
			_, err := r.Upload(ctx, u)
			if failed, ok := errors.AsType[*TransferError](err); !ok || !failed.Cancelled {
				t.Errorf("got %v", err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) > 0 {
				t.Errorf("left: %v", entries)
			}
			if out, _, _ := r.run(t, sh("echo ok")); out != "ok\n" {
				t.Errorf("the next step printed %q", out)
			}
		})
	}
}

func TestPosixSumIsCksum(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 70_000} {
		b := noise(n)
		var s posixSum
		fmt.Fprintf(&s, "%s", b[:n/2])
		s.Write(b[n/2:])
		if got, want := s.value(), cksum(b); got != want {
			t.Errorf("%d bytes: got %d, want %d", n, got, want)
		}
	}
}
