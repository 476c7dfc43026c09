package exec

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ssmrun/ssmrun/internal/plan"
	"github.com/ssmrun/ssmrun/internal/shell"
)

// tarOf makes an archive; a header with content is a file.
func tarOf(t *testing.T, headers ...tar.Header) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Format = tar.FormatGNU
		if h.Typeflag == tar.TypeReg {
			h.Size = 3
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.WriteString(w, "abc")
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestUnpackRefusesWhatLeadsOut(t *testing.T) {
	cases := map[string][]tar.Header{
		"leads out of the directory": {{Typeflag: tar.TypeReg, Name: "../x"}},
		`"/x" leads out`:             {{Typeflag: tar.TypeReg, Name: "/x"}},
		`"a/../../x" leads out`:      {{Typeflag: tar.TypeReg, Name: "a/../../x"}},
		`"../victim" leads out`:      {{Typeflag: tar.TypeLink, Name: "x", Linkname: "../victim"}},
		"neither a file":             {{Typeflag: tar.TypeFifo, Name: "x"}},
		"file exists":                {{Typeflag: tar.TypeReg, Name: "x"}, {Typeflag: tar.TypeReg, Name: "x"}},
	}
	for want, headers := range cases {
		outer := t.TempDir()
		victim := filepath.Join(outer, "victim")
		if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(outer, "tree"), 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(filepath.Join(outer, "tree"))
		if err != nil {
			t.Fatal(err)
		}
		err = unpack(root, tar.NewReader(tarOf(t, headers...)))
		root.Close()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if entries, _ := os.ReadDir(outer); len(entries) != 2 {
			t.Errorf("%s: beside the tree: %v", want, entries)
		}
	}
}

func TestUnpackDoesNotWriteThroughLinks(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	from := tarOf(t,
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./d", Linkname: outside},
		tar.Header{Typeflag: tar.TypeReg, Name: "./d/x", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "./-y", Mode: 0o644},
		tar.Header{Typeflag: tar.TypeLink, Name: "./z", Linkname: "./-y"},
	)
	if err := unpack(root, tar.NewReader(from)); err == nil {
		t.Error("a link took the place of a directory")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("written through a link: %v", entries)
	}
	for name, want := range map[string]os.FileMode{"d/x": 0o700, "-y": 0o600, "z": 0o600} {
		if info, err := os.Lstat(filepath.Join(inside, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v %v, want %v", name, info, err, want)
		}
	}
}

// treeOf is what the plan would have seen of a file or directory of this test.
func treeOf(t *testing.T, path string) plan.Tree {
	t.Helper()
	tree := plan.Tree{Path: path}
	err := filepath.Walk(path, func(file string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(path, file)
		e := plan.TreeEntry{Name: name, Mode: info.Mode()}
		tree.Dir = tree.Dir || info.IsDir()
		e.Link, _ = os.Readlink(file)
		if info.Mode().IsRegular() {
			content, _ := os.ReadFile(file)
			e.Size, e.SHA256 = info.Size(), fmt.Sprintf("%x", sha256.Sum256(content))
		}
		tree.Entries = append(tree.Entries, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestContentIsWhatThePlanHasSeen(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := filepath.Join(t.TempDir(), "tree")
	file := filepath.Join(dir, "-a b")
	os.MkdirAll(filepath.Join(dir, "empty"), 0o750)
	os.WriteFile(file, []byte("one"), 0o644)
	os.Symlink("/etc/passwd", filepath.Join(dir, "link"))

	var sums []string
	for range 2 {
		c, err := openContent(treeOf(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, c.sha256)
		if names := namesIn(t, c); names != "./ ./-a b ./empty/ ./link" {
			t.Errorf("archive has %q", names)
		}
		c.Close()
	}
	if sums[0] != sums[1] {
		t.Error("the same directory gave two archives")
	}
	tree, single := treeOf(t, dir), treeOf(t, file)
	os.WriteFile(file, []byte("two"), 0o644)
	for _, tree := range []plan.Tree{tree, single} {
		if _, err := openContent(tree); err == nil || !strings.Contains(err.Error(), "changed since the plan") {
			t.Errorf("got %v", err)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func namesIn(t *testing.T, c *content) string {
	t.Helper()
	var names []string
	for from := tar.NewReader(io.NewSectionReader(c, 0, c.size)); ; {
		h, err := from.Next()
		if err == io.EOF {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestLandingKeepsWhatCame(t *testing.T) {
	dir := t.TempDir()
	remote := shell.Remote{Size: 6, Digest: shell.Digest{Tool: "sha256sum", Value: strings.Repeat("ab", 32)}}
	for round, want := range []int64{0, 3} {
		l := &landing{destination: filepath.Join(dir, "new", "f"), keep: round == 0}
		to, have, err := l.open(remote)
		if err != nil || have != want {
			t.Fatalf("round %d: has %d, want %d: %v", round, have, want, err)
		}
		to.Write([]byte("abc"))
		if round == 1 {
			if _, err := l.land(false); err != nil {
				t.Error(err)
			}
		}
		l.close()
	}
	got, err := os.ReadFile(filepath.Join(dir, "new", "f"))
	if string(got) != "abcabc" {
		t.Errorf("got %q, %v", got, err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "new")); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}
