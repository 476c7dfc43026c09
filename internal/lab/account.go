package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// account is the user that a node's processes run as.
type account struct {
	name     string
	uid, gid uint32
	switches bool // it is not the user that ssmrun runs as
}

// nodeAccount finds the account for a nodes block's user. Without one it is
// nobody when ssmrun is root, and otherwise ssmrun's own user.
func nodeAccount(name string) (account, error) {
	self := account{name: currentUserName(), uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if os.Geteuid() != 0 {
		if name != "" && name != self.name {
			return account{}, fmt.Errorf("only root can run nodes as another user: user is %q and ssmrun runs as %q", name, self.name)
		}
		return self, nil
	}
	if name == "" {
		if nobody, err := lookupAccount("nobody"); err == nil && nobody.uid != 0 {
			return nobody, nil
		}
		return account{name: "nobody", uid: 65534, gid: 65534, switches: true}, nil
	}
	return lookupAccount(name)
}

func lookupAccount(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("look up the nodes' user: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %q: uid %q: %w", name, u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %q: gid %q: %w", name, u.Gid, err)
	}
	return account{name: name, uid: uint32(uid), gid: uint32(gid), switches: int(uid) != os.Geteuid()}, nil
}

func currentUserName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Geteuid())
}

// own gives a file to the account.
func (a account) own(path string) error {
	if !a.switches {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// makeLabDir makes the lab's directory in place, where the account can reach it
// and run the shims in it. Without a place it looks for one.
func makeLabDir(place string, a account) (string, error) {
	places := []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm"}
	if place != "" {
		places = []string{place}
	}
	var errs []error
	for _, base := range places {
		if err := checkReachable(base, a); err != nil {
			errs = append(errs, err)
			continue
		}
		dir, err := os.MkdirTemp(base, "ssmrun-lab-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return "", err
		}
		return dir, os.Chmod(dir, 0o711)
	}
	return "", fmt.Errorf("no place for the lab's directory: %w", errors.Join(errs...))
}

// checkReachable says whether the account can pass through dir and all above
// it, and programs in it can be run.
func checkReachable(dir string, a account) error {
	if forbidsPrograms(dir) {
		return fmt.Errorf("%s is mounted noexec: the lab's programs cannot run from it", dir)
	}
	if !a.switches {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !passable(info, a) {
			return fmt.Errorf("%s cannot be entered by user %s, who the lab's nodes run as", dir, a.name)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func passable(info fs.FileInfo, a account) bool {
	uid, gid, ok := fileOwner(info)
	mode := info.Mode().Perm()
	switch {
	case !ok || a.uid == 0:
		return true
	case uid == a.uid:
		return mode&0o100 != 0
	case gid == a.gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

// removeTree removes the lab's directory with all that nodes left in it. Root
// removes anything; others must first undo what a command forbade itself.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			os.Chmod(name, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
