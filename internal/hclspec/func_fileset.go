package hclspec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFileSet bounds what one fileset looks at.
const maxFileSet = 100_000

// fileSet lists the regular files below a directory that match a pattern: *
// and ? within a name, ** for any directories, {a,b} and [a-z].
func fileSet(files *Snapshot) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "pattern", Type: cty.String},
		},
		Type:         function.StaticReturnType(cty.Set(cty.String)),
		RefineResult: notNull,
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			if files == nil {
				return cty.UnknownVal(ty), nil
			}
			root, err := files.Path(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(ty), function.NewArgError(0, err)
			}
			matches, err := glob(root, args[1].AsString())
			if err != nil {
				return cty.UnknownVal(ty), function.NewArgErrorf(1, "failed to glob pattern: %w", err)
			}
			if len(matches) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(matches), nil
		},
	})
}

func glob(root, pattern string) ([]cty.Value, error) {
	matcher, err := globPattern(path.Clean(filepath.ToSlash(pattern)))
	if err != nil {
		return nil, err
	}
	var matches []cty.Value
	looked := 0
	err = filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			if at == root && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if looked++; looked > maxFileSet {
			return fmt.Errorf("there are more than %d files here", maxFileSet)
		}
		relative, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if !entry.IsDir() && matcher.MatchString(relative) && regular(at, entry) {
			matches = append(matches, cty.StringVal(relative))
		}
		return nil
	})
	return matches, err
}

// regular follows a symbolic link to what it names.
func regular(at string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type().IsRegular()
	}
	info, err := os.Stat(at)
	return err == nil && info.Mode().IsRegular()
}

var errBadPattern = errors.New("syntax error in pattern")

// globPattern makes a regular expression of a pattern.
func globPattern(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	braces := 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			switch {
			case strings.HasPrefix(pattern[i:], "**/") && (i == 0 || pattern[i-1] == '/'):
				b.WriteString(`(?:[^/]+/)*`)
				i += 2
			case pattern[i:] == "**" && (i == 0 || pattern[i-1] == '/'):
				b.WriteString(`.*`)
				i++
			default:
				b.WriteString(`[^/]*`)
			}
		case '?':
			b.WriteString(`[^/]`)
		case '[':
			end := strings.IndexByte(pattern[i+1:], ']')
			if end < 1 {
				return nil, errBadPattern
			}
			class := pattern[i+1 : i+1+end]
			if class[0] == '!' {
				class = "^" + class[1:]
			}
			b.WriteString("[" + strings.ReplaceAll(class, `[`, `\[`) + "]")
			i += end + 1
		case '{':
			braces++
			b.WriteString("(?:")
		case '}':
			if braces == 0 {
				return nil, errBadPattern
			}
			braces--
			b.WriteString(")")
		case ',':
			if braces > 0 {
				b.WriteString("|")
			} else {
				b.WriteString(",")
			}
		case '\\':
			if i++; i == len(pattern) {
				return nil, errBadPattern
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	if braces != 0 {
		return nil, errBadPattern
	}
	re, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return nil, errBadPattern
	}
	return re, nil
}
