package lab

import (
	"io/fs"
	"os"
)

func fileOwner(fs.FileInfo) (uid, gid uint32, ok bool) { return 0, 0, false }

func openFIFO(string, account) (*os.File, error) { return nil, errUnsupported }

func forbidsPrograms(string) bool { return false }
