package hclspec

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// What an upload may be, as a whole.
const (
	maxTreeBytes   = 4 << 30
	maxTreeEntries = 100_000
)

// Tree is a file, or a directory with all that is in it, of which the Snapshot
// keeps what it was like and not the content.
type Tree struct {
	Path    string // on this machine, absolute
	Dir     bool
	Bytes   int64       // of all files
	Entries []TreeEntry // one of a file; of a directory itself first, in the order of names
}

// TreeEntry is one entry of a Tree.
type TreeEntry struct {
	Name   string // with slashes, relative to the tree; "." is the tree itself
	Mode   fs.FileMode
	Size   int64  // of a regular file
	SHA256 string // of a regular file, hexadecimal
	Link   string // what a symbolic link says
}

type snapshotTree struct {
	Tree
	err error
}

// Digest is the SHA-256, in hex, of a file, or of all that is kept of a
// directory.
func (t Tree) Digest() string {
	if !t.Dir {
		return t.Entries[0].SHA256
	}
	h := sha256.New()
	for _, e := range t.Entries {
		fmt.Fprintf(h, "%q %o %d %s %q\n", e.Name, e.Mode, e.Size, e.SHA256, e.Link)
	}
	return hexText(h.Sum(nil))
}

// Tree returns what a file or directory is like, reading it once with bounded
// memory. A symbolic link in a directory is an entry and is not followed; path
// itself may be one. Its errors name the path as it was given.
func (s *Snapshot) Tree(path string) (Tree, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tree, ok := s.trees[path]; ok {
		return tree.Tree, tree.err
	}
	if s.frozen {
		return Tree{}, fmt.Errorf("%q was not read when the plan was made: the paths of files have to be known then", path)
	}
	tree, err := s.readTree(path)
	s.trees[path] = snapshotTree{tree, err}
	return tree, err
}

func (s *Snapshot) readTree(path string) (Tree, error) {
	at, err := s.Path(path)
	if err != nil {
		return Tree{}, err
	}
	at, err = filepath.EvalSymlinks(at)
	if errors.Is(err, os.ErrNotExist) {
		return Tree{}, fmt.Errorf("no file exists at %q; relative paths start at the runbook's directory", path)
	}
	if err != nil {
		return Tree{}, fmt.Errorf("read %q: %s", path, reason(err))
	}
	tree := Tree{Path: at}
	err = filepath.WalkDir(at, func(file string, d fs.DirEntry, err error) error {
		if err == nil {
			err = tree.add(file)
		}
		if err != nil {
			return fmt.Errorf("read %q: %s", filepath.Join(path, tree.rel(file)), reason(err))
		}
		return nil
	})
	return tree, err
}

func (t *Tree) rel(file string) string {
	name, err := filepath.Rel(t.Path, file)
	if err != nil {
		return file
	}
	return filepath.ToSlash(name)
}

// add takes one file, directory or symbolic link.
func (t *Tree) add(file string) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	e := TreeEntry{Name: t.rel(file), Mode: info.Mode()}
	switch {
	case info.IsDir():
		t.Dir = t.Dir || e.Name == "."
	case info.Mode()&fs.ModeSymlink != 0:
		if e.Link, err = os.Readlink(file); err != nil {
			return err
		}
	case info.Mode().IsRegular():
		if e.Size, e.SHA256, err = sumFile(file); err != nil {
			return err
		}
	default:
		return errors.New("it is neither a file nor a directory nor a symbolic link")
	}
	t.Bytes += e.Size
	t.Entries = append(t.Entries, e)
	if t.Bytes > maxTreeBytes || len(t.Entries) > maxTreeEntries {
		return fmt.Errorf("it is larger than %d GiB, or more than %d files", int64(maxTreeBytes)>>30, maxTreeEntries)
	}
	return nil
}

func sumFile(file string) (size int64, sum string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(f, maxTreeBytes+1))
	return size, hexText(h.Sum(nil)), err
}
