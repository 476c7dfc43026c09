package hclspec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// maxFileSize bounds one file: a parser sees nothing larger.
const maxFileSize = 4 << 20

// maxTokens bounds what a scanner makes of a file.
const maxTokens = 600_000

// maxFiles bounds a directory.
const maxFiles = 1000

// listFiles returns the names of dir's files that end in one of suffixes, in
// name order. Editor backups and hidden files are left out.
func listFiles(dir string, suffixes ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || entry.IsDir() {
			continue
		}
		for _, suffix := range suffixes {
			if strings.HasSuffix(name, suffix) {
				names = append(names, name)
				break
			}
		}
	}
	return names, nil
}

// readFile reads a regular file of at most maxFileSize bytes. A pipe, a device
// or a socket is refused before it is opened.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(src) > maxFileSize {
		return nil, fmt.Errorf("it is larger than %d MiB", maxFileSize>>20)
	}
	return src, nil
}

// parseFile reads, checks and parses dir/name. The returned file is nil when it
// could not be read; its body is nil when it could not be parsed.
func parseFile(dir, name string) (*File, hcl.Diagnostics) {
	src, err := readFile(filepath.Join(dir, name))
	if err != nil {
		return nil, hcl.Diagnostics{complaint(wholeFile(name), "Cannot read file",
			"%s cannot be read: %s. Make it a readable file, or remove it.", name, reason(err))}
	}
	return parseSource(name, src)
}

// parseSource checks and parses the bytes of a file. Names that end in .json
// are JSON.
func parseSource(name string, src []byte) (*File, hcl.Diagnostics) {
	file := &File{Name: name, Bytes: src, sound: len(src)}
	if diags := checkText(name, src); diags.HasErrors() {
		return file, diags
	}
	isJSON := strings.HasSuffix(name, ".json")
	var parsed *hcl.File
	var diags hcl.Diagnostics
	if isJSON {
		if diags = prescanJSON(name, src); diags.HasErrors() {
			return file, diags
		}
		parsed, diags = json.Parse(src, name)
	} else {
		plain, found := prescan(name, src)
		if plain == nil {
			return file, found
		}
		parsed, diags = hclsyntax.ParseConfig(plain, name, hcl.InitialPos)
		for _, diag := range diags {
			if diag.Severity == hcl.DiagError && diag.Subject != nil {
				file.sound = min(file.sound, diag.Subject.Start.Byte)
			}
		}
		diags = append(found, oneByOne(explainShell(diags, src))...)
	}
	if parsed != nil && parsed.Body != nil && !(isJSON && diags.HasErrors()) {
		file.body, file.nav = parsed.Body, parsed.Nav
	}
	return file, diags
}

// trusted leaves out what is said of a file because of its syntax errors: from
// the first one on, which block is in which is a guess, and what seems to be
// missing may be there.
func (f *File) trusted(diags hcl.Diagnostics) hcl.Diagnostics {
	if f.sound == len(f.Bytes) {
		return diags
	}
	var kept hcl.Diagnostics
	for _, diag := range diags {
		absent := strings.HasPrefix(diag.Summary, "Missing ") || strings.Contains(diag.Summary, " without ")
		if !absent && diag.Subject != nil && diag.Subject.Start.Byte < f.sound {
			kept = append(kept, diag)
		}
	}
	return kept
}

// oneByOne leaves out what the parser says because of a mistake that it has
// told already: more about the same line, and everything behind a string
// without an end, as far as which the rest of the file was text.
func oneByOne(diags hcl.Diagnostics) hcl.Diagnostics {
	var kept hcl.Diagnostics
	lines := map[int]bool{}
	for _, diag := range diags {
		if diag.Subject != nil {
			line := diag.Subject.Start.Line
			if lines[line] {
				continue
			}
			lines[line] = true
		}
		kept = append(kept, diag)
		if diag.Summary == "Invalid multi-line string" {
			break
		}
	}
	return kept
}

// checkText refuses what is not UTF-8, or too large.
func checkText(name string, src []byte) hcl.Diagnostics {
	if len(src) > maxFileSize {
		return hcl.Diagnostics{complaint(wholeFile(name), "File too large",
			"%s is larger than %d MiB. Split it, or read large content with file().", name, maxFileSize>>20)}
	}
	if tokensOf(src) > maxTokens {
		return hcl.Diagnostics{complaint(wholeFile(name), "File too large",
			"%s has more than %d words and operators. Split it, or read large content with file().", name, maxTokens)}
	}
	if utf8.Valid(src) {
		return nil
	}
	pos := hcl.InitialPos
	for rest := src; ; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			break
		}
		pos.Byte += size
		pos.Column++
		if r == '\n' {
			pos.Line++
			pos.Column = 1
		}
		rest = rest[size:]
	}
	end := pos
	end.Byte++
	end.Column++
	return hcl.Diagnostics{complaint(hcl.Range{Filename: name, Start: pos, End: end}, "Invalid character encoding",
		"The file is not UTF-8 from here on. Save it as UTF-8.")}
}

// tokensOf is about the number of tokens of src: a scanner keeps 100 bytes and
// more of each, so a file of nothing but brackets would take a gigabyte.
func tokensOf(src []byte) int {
	n, word := 0, false
	for _, c := range src {
		letter := c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= utf8.RuneSelf
		if space := c == ' ' || c == '\t' || c == '\r'; !space && !(letter && word) {
			n++
		}
		word = letter
	}
	return n
}

func wholeFile(name string) hcl.Range {
	return hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// reason is the message of a file error without the operation and the path,
// which the sentence around it has.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}
