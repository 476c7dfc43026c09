package hclspec

import (
	"errors"
	"fmt"
	"path/filepath"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// fileFunctions read from files; with nil files what they would read is
// unknown.
func fileFunctions(files *Snapshot) map[string]function.Function {
	return map[string]function.Function{
		"abspath": pathFunc(files, func(p string) (string, error) {
			at, err := files.Path(p)
			if err != nil {
				return "", err
			}
			at, err = filepath.Abs(at)
			return filepath.ToSlash(at), err
		}),
		"basename":         textFunc(func(p string) (string, error) { return filepath.Base(p), nil }),
		"dirname":          textFunc(func(p string) (string, error) { return filepath.Dir(p), nil }),
		"pathexpand":       textFunc(expandHome),
		"file":             contentFunc(files, utf8Text),
		"filebase64":       contentFunc(files, func(_ string, b []byte) (string, error) { return base64Text(b), nil }),
		"filebase64sha256": sumFileFunc(files, sha256Sum, base64Text),
		"filebase64sha512": sumFileFunc(files, sha512Sum, base64Text),
		"fileexists":       fileExists(files),
		"filemd5":          sumFileFunc(files, md5Sum, hexText),
		"fileset":          fileSet(files),
		"filesha1":         sumFileFunc(files, sha1Sum, hexText),
		"filesha256":       sumFileFunc(files, sha256Sum, hexText),
		"filesha512":       sumFileFunc(files, sha512Sum, hexText),
	}
}

// onPath makes a function of a path. Its errors do not show a sensitive path.
func onPath(files *Snapshot, ty cty.Type, f func(path string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "path", Type: cty.String, AllowMarked: true}},
		Type:         function.StaticReturnType(ty),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, marks := args[0].Unmark()
			if files == nil || !path.IsKnown() {
				return cty.UnknownVal(ty).WithMarks(marks), nil
			}
			v, err := f(path.AsString())
			if err != nil {
				if len(marks) > 0 {
					err = errors.New("cannot read the file: its path is sensitive, so the reason is not shown")
				}
				return cty.UnknownVal(ty), function.NewArgError(0, err)
			}
			return v.WithMarks(marks), nil
		},
	})
}

func pathFunc(files *Snapshot, f func(path string) (string, error)) function.Function {
	return onPath(files, cty.String, func(path string) (cty.Value, error) {
		s, err := f(path)
		return cty.StringVal(s), err
	})
}

func contentFunc(files *Snapshot, text func(path string, content []byte) (string, error)) function.Function {
	return pathFunc(files, func(path string) (string, error) {
		content, err := files.Read(path)
		if err != nil {
			return "", err
		}
		if len(content) > maxText {
			return "", fmt.Errorf("%q is larger than %d MiB", path, maxText>>20)
		}
		return text(path, content)
	})
}

func utf8Text(path string, content []byte) (string, error) {
	if !utf8.Valid(content) {
		return "", fmt.Errorf("the content of %q is not valid UTF-8; use filebase64 to read it", path)
	}
	return string(content), nil
}

func sumFileFunc(files *Snapshot, sum func([]byte) []byte, text func([]byte) string) function.Function {
	return pathFunc(files, func(path string) (string, error) {
		content, err := files.Read(path)
		if err != nil {
			return "", err
		}
		return text(sum(content)), nil
	})
}

func fileExists(files *Snapshot) function.Function {
	return onPath(files, cty.Bool, func(path string) (cty.Value, error) {
		exists, err := files.exists(path)
		return cty.BoolVal(exists), err
	})
}
