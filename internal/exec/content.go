package exec

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// content is what an upload sends: a file, or the archive of a directory in a
// temporary file.
type content struct {
	*os.File
	size      int64
	sha256    string
	temporary bool
}

func (c *content) Close() error {
	err := c.File.Close()
	if c.temporary {
		_ = os.Remove(c.Name())
	}
	return err
}

// openContent opens what the plan has seen. What has changed since is an error.
func openContent(tree plan.Tree) (*content, error) {
	if tree.Dir {
		return archive(tree)
	}
	file, err := os.Open(tree.Path)
	if err != nil {
		return nil, err
	}
	c := &content{File: file, size: tree.Entries[0].Size}
	if c.sha256, err = copySummed(io.Discard, file, c.size); err == nil && c.sha256 != tree.Entries[0].SHA256 {
		err = changed(tree.Path)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func changed(path string) error {
	return fmt.Errorf("%s has changed since the plan was made; plan again", path)
}

// copySummed copies a file that has to have this size, and returns its SHA-256.
func copySummed(w io.Writer, file *os.File, size int64) (string, error) {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(file, size+1))
	if err == nil && n != size {
		err = changed(file.Name())
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// archive writes a directory to a temporary file. The same directory gives the
// same archive, so that an upload can go on in another session.
func archive(tree plan.Tree) (*content, error) {
	root, err := os.OpenRoot(tree.Path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := os.CreateTemp("", "ssmrun-*.tar") // for this user only
	if err != nil {
		return nil, err
	}
	c := &content{File: file, temporary: true}
	h := sha256.New()
	w := tar.NewWriter(io.MultiWriter(file, h))
	for _, entry := range tree.Entries {
		if err = addEntry(w, root, entry); err != nil {
			break
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		c.size, err = file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	c.sha256 = hex.EncodeToString(h.Sum(nil))
	return c, nil
}

// addEntry adds a file as the plan has seen it. Names begin with "./", so that
// none is an option.
func addEntry(w *tar.Writer, root *os.Root, entry plan.TreeEntry) error {
	name := filepath.FromSlash(entry.Name)
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode() != entry.Mode {
		return changed(filepath.Join(root.Name(), name))
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: "./" + entry.Name, Linkname: entry.Link, Size: entry.Size,
		Mode: int64(entry.Mode.Perm()), ModTime: info.ModTime().Truncate(time.Second), Format: tar.FormatGNU,
	}
	switch {
	case entry.Name == ".":
		header.Typeflag, header.Name = tar.TypeDir, "./"
	case info.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	case entry.Link != "":
		header.Typeflag = tar.TypeSymlink
	}
	if err := w.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	sum, err := copySummed(w, file, entry.Size)
	if err == nil && sum != entry.SHA256 {
		err = changed(file.Name())
	}
	return err
}
