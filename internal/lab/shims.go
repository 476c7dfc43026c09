package lab

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// shimFiles are portable sh scripts that stand for the programs that would act
// on this machine. Each finds its node by the path it was called with.
//
//go:embed shims
var shimFiles embed.FS

// writeShims puts the shims into dir, which all nodes share by a link: they
// belong to ssmrun's user, so that no node can change them.
func writeShims(dir string) error {
	if err := makeDir(dir, 0o755); err != nil {
		return fmt.Errorf("make the lab's programs: %w", err)
	}
	entries, err := shimFiles.ReadDir("shims")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := shimFiles.ReadFile(path.Join("shims", e.Name()))
		if err != nil {
			return err
		}
		name := filepath.Join(dir, e.Name())
		if err := os.WriteFile(name, text, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(name, 0o755); err != nil { // whatever the umask is
			return err
		}
	}
	return nil
}

// makeDir makes a directory with exactly this mode, whatever the umask is.
func makeDir(dir string, mode fs.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}
