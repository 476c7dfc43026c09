package hclspec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxSnapshot bounds what the files of one snapshot take together.
const maxSnapshot = 256 << 20

// Snapshot reads files of the operator's machine, each once: a path gives the
// same bytes, or the same error, for as long as the Snapshot lives. It may be
// used by many goroutines.
type Snapshot struct {
	dir string

	mu sync.Mutex
	// mu protects what follows.
	files  map[string]snapshotFile
	trees  map[string]snapshotTree
	size   int
	frozen bool
}

type snapshotFile struct {
	content []byte
	err     error
}

// NewSnapshot returns a Snapshot for which relative paths start at dir.
func NewSnapshot(dir string) *Snapshot {
	return &Snapshot{dir: dir, files: map[string]snapshotFile{}, trees: map[string]snapshotTree{}}
}

// Path returns where a path of a runbook is: ~ is the home directory, and a
// relative path starts at the snapshot's directory.
func (s *Snapshot) Path(path string) (string, error) {
	expanded, err := expandHome(path)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(expanded) {
		expanded = filepath.Join(s.dir, expanded)
	}
	return filepath.Clean(expanded), nil
}

// Freeze ends the reading of files: one that was not asked for before is an
// error from then on. A run has to see what its plan has seen.
func (s *Snapshot) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
}

// Read returns the content of a regular file of at most 64 MiB. The caller does
// not change it. Its errors name the path as it was given.
func (s *Snapshot) Read(path string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if file, ok := s.files[path]; ok {
		return file.content, file.err
	}
	if s.frozen {
		return nil, fmt.Errorf("%q was not read when the plan was made: the paths of files have to be known then", path)
	}
	content, err := s.read(path)
	if s.size += len(content); s.size > maxSnapshot {
		content, err = nil, fmt.Errorf("the files of this runbook are larger than %d MiB together", maxSnapshot>>20)
	}
	s.files[path] = snapshotFile{content, err}
	return content, err
}

func (s *Snapshot) read(path string) ([]byte, error) {
	at, err := s.Path(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(at)
	const largest = 64 << 20
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("no file exists at %q; relative paths start at the runbook's directory", path)
	case err != nil:
		return nil, fmt.Errorf("read %q: %s", path, reason(err))
	case info.IsDir():
		return nil, fmt.Errorf("%q is a directory, not a file", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is not a regular file", path)
	case info.Size() > largest:
		return nil, fmt.Errorf("%q is larger than %d MiB", path, largest>>20)
	}
	content, err := os.ReadFile(at)
	if err != nil {
		return nil, fmt.Errorf("read %q: %s", path, reason(err))
	}
	return content, nil
}

// Digests returns the SHA-256, in hex, of every file read so far, by the path
// as it was asked for.
func (s *Snapshot) Digests() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	digests := make(map[string]string, len(s.files))
	for path, file := range s.files {
		if file.err == nil {
			digests[path] = hexText(sha256Sum(file.content))
		}
	}
	for path, tree := range s.trees {
		if tree.err == nil {
			digests[path] = tree.Digest()
		}
	}
	return digests
}

// exists reports whether there is a regular file at path.
func (s *Snapshot) exists(path string) (bool, error) {
	at, err := s.Path(path)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("stat %q: %s", path, reason(err))
	case info.Mode().IsRegular():
		return true, nil
	case info.IsDir():
		return false, fmt.Errorf("%q is a directory, not a file", path)
	}
	return false, fmt.Errorf("%q is not a regular file", path)
}

func expandHome(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		if strings.HasPrefix(path, "~") {
			return "", errors.New("cannot expand user-specific home dir")
		}
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, path[1:]), nil
}
