package exec

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ssmrun/ssmrun/internal/shell"
)

// maxDownload bounds what a download brings, and maxUnpacked how many files a
// directory has.
const (
	maxDownload = 4 << 30
	maxUnpacked = 100_000
)

// landing is where a download arrives: a file beside the destination, for this
// user only, that is renamed or unpacked when it is whole.
type landing struct {
	destination string
	file        *os.File
	keep        bool  // for another attempt
	err         error // of this machine
}

// open makes or finds the file. One with the digest in its name has the
// beginning of the same content.
func (l *landing) open(remote shell.Remote) (shell.Partial, int64, error) {
	have, err := l.prepare(remote)
	l.err = err
	if err != nil {
		return nil, 0, err
	}
	return l, have, nil
}

func (l *landing) prepare(remote shell.Remote) (have int64, err error) {
	info, err := os.Lstat(l.destination)
	switch {
	case err == nil && remote.Tree:
		return 0, fmt.Errorf("%s exists, and a directory does not take the place of another; remove it, or name another", l.destination)
	case err == nil && info.IsDir():
		return 0, fmt.Errorf("%s is a directory; name the file", l.destination)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return 0, err
	}
	dir := filepath.Dir(l.destination)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	if remote.Tree || !remote.Digest.Checks() || remote.Digest.Tool == "cksum" {
		l.file, err = os.CreateTemp(dir, ".ssmrun-*.part")
		return 0, err
	}
	name := filepath.Join(dir, ".ssmrun-"+filepath.Base(l.destination)+"-"+firstOf(remote.Digest.Value, 24)+".part")
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is in the way; remove it", name)
	}
	if l.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return 0, err
	}
	if have, err = l.file.Seek(0, io.SeekEnd); err != nil || have <= remote.Size {
		return have, err
	}
	_, err = l.file.Seek(0, io.SeekStart)
	return 0, errors.Join(err, l.file.Truncate(0))
}

func firstOf(s string, n int) string { return s[:min(n, len(s))] }

func (l *landing) Write(p []byte) (int, error) {
	n, err := l.file.Write(p)
	l.err = err
	return n, err
}

func (l *landing) ReadAt(p []byte, at int64) (int, error) { return l.file.ReadAt(p, at) }

// close removes what did not land, unless it is to be kept.
func (l *landing) close() {
	if l.file == nil {
		return
	}
	_ = l.file.Close()
	if !l.keep {
		_ = os.Remove(l.file.Name()) // after a rename there is none
	}
}

// land puts what came in its place and returns its SHA-256.
func (l *landing) land(tree bool) (string, error) {
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	info, err := l.file.Stat()
	if err != nil {
		return "", err
	}
	sum, err := copySummed(io.Discard, l.file, info.Size())
	if err != nil {
		return "", err
	}
	if tree {
		return sum, l.unpack()
	}
	return sum, os.Rename(l.file.Name(), l.destination)
}

// unpack makes the directory beside the destination and renames it.
func (l *landing) unpack() error {
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(l.destination), ".ssmrun-*.tree") // for this user only
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // after the rename there is none
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = unpack(root, tar.NewReader(l.file))
	if err = errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("unpack the directory: %w", err)
	}
	return os.Rename(dir, l.destination)
}

// unpack writes an archive that a target has made below root, and nothing
// outside. Links are made last, so that nothing is written through one. Files
// are for this user only, executable where they were.
func unpack(root *os.Root, from *tar.Reader) error {
	var links []*tar.Header
	for count := 0; ; count++ {
		header, err := from.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		name, err := localName(header.Name)
		if err != nil {
			return err
		}
		if count >= maxUnpacked {
			return fmt.Errorf("it has more than %d files", maxUnpacked)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o700)
		case tar.TypeReg:
			err = unpackFile(root, name, header, from)
		case tar.TypeSymlink, tar.TypeLink:
			header.Name = name
			links = append(links, header)
		default:
			err = fmt.Errorf("%q is neither a file nor a directory nor a link", header.Name)
		}
		if err != nil {
			return err
		}
	}
	return makeLinks(root, links)
}

func unpackFile(root *os.Root, name string, header *tar.Header, from io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	mode := os.FileMode(0o600)
	if header.Mode&0o111 != 0 {
		mode = 0o700
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

// makeLinks makes hard links, which have to be within the tree, and then
// symbolic links, which say what they said.
func makeLinks(root *os.Root, links []*tar.Header) error {
	for _, kind := range []byte{tar.TypeLink, tar.TypeSymlink} {
		for _, header := range links {
			if header.Typeflag != kind {
				continue
			}
			if kind == tar.TypeSymlink {
				if err := root.Symlink(header.Linkname, header.Name); err != nil {
					return err
				}
				continue
			}
			to, err := localName(header.Linkname)
			if err != nil {
				return err
			}
			if err := root.Link(to, header.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// localName is a name of an archive as one below a directory.
func localName(name string) (string, error) {
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("%q leads out of the directory", name)
		}
	}
	local := filepath.FromSlash(strings.TrimPrefix(name, "./"))
	if local == "" {
		local = "."
	}
	if !filepath.IsLocal(local) {
		return "", fmt.Errorf("%q leads out of the directory", name)
	}
	return filepath.Clean(local), nil
}
