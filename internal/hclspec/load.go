package hclspec

import (
	"os"

	"github.com/hashicorp/hcl/v2"
)

// LoadRunbook reads, parses and checks all *.ssm.hcl and *.ssm.json files of
// dir, in name order. The runbook is never nil; when the diagnostics have
// errors it has what could be understood and must not be run.
func LoadRunbook(dir string) (*Runbook, Diagnostics) {
	rb := &Runbook{Dir: dir, Files: map[string]*File{}}
	names, err := listFiles(dir, ".ssm.hcl", ".ssm.json")
	if diags := checkDirectory(dir, names, err, "runbook", "*.ssm.hcl"); diags.HasErrors() {
		return rb, diags
	}
	var files []*File
	var diags hcl.Diagnostics
	for _, name := range names {
		file, more := parseFile(dir, name)
		diags = append(diags, more...)
		if file != nil {
			files = append(files, file)
		}
	}
	return rb, tidy(append(diags, rb.load(files)...))
}

// checkDirectory complains about a directory that cannot be listed or has none
// of the files that are looked for.
func checkDirectory(dir string, names []string, err error, what, pattern string) hcl.Diagnostics {
	complain := func(summary, detail string, args ...any) hcl.Diagnostics {
		diag := complaint(hcl.Range{}, summary, detail, args...)
		diag.Subject = nil
		return hcl.Diagnostics{diag}
	}
	info, statErr := os.Stat(dir)
	switch {
	case statErr == nil && !info.IsDir():
		return complain("Not a directory", "A %s is a directory of %s files, and %s is a file. Name the directory it is in.", what, pattern, dir)
	case err != nil:
		return complain("Cannot read "+what, "The directory %s cannot be read: %s.", dir, reason(err))
	case len(names) == 0:
		return complain("No "+what+" here", "The directory %s has no %s files. Name a directory that has some.", dir, pattern)
	case len(names) > maxFiles:
		return complain("Too many files", "The directory %s has %d %s files, and at most %d are read.", dir, len(names), pattern, maxFiles)
	}
	return nil
}

// load decodes and checks parsed files. Names are checked when every file could
// be parsed: after a syntax error, a block that is missing may be in there.
func (rb *Runbook) load(files []*File) hcl.Diagnostics {
	d := &decoder{}
	seen := newSeen()
	complete := true
	for _, file := range files {
		rb.Files[file.Name] = file
		if file.body == nil {
			complete = false
			continue
		}
		complete = complete && file.sound == len(file.Bytes)
		before := len(d.diags)
		d.file(rb, file, seen)
		d.diags = append(d.diags[:before], file.trusted(d.diags[before:])...)
	}
	if complete {
		d.diags = append(d.diags, checkNames(rb)...)
		if !d.diags.HasErrors() {
			d.diags = append(d.diags, checkRawShell(rb)...)
		}
	}
	return d.diags
}
