package hclspec

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// What a lab is unless its files say otherwise: an agent with all its habits,
// and a service without faults.
var (
	defaultAgent = Agent{
		Version:          "3.3.2299.0",
		MaxPayload:       1024,
		FirstOutputDelay: time.Second,
		Pacing:           time.Millisecond,
		UTF8:             true,
		DirectExec:       true,
		KillDirectChild:  true,
	}
	defaultReboot = 2 * time.Second
)

// maxNodes bounds a nodes block, and a lab.
const maxNodes = 20_000

// LoadLab reads all *.lab.hcl files of dir, in name order. The lab is never
// nil; it must not be started when the diagnostics have errors. Diagnostics
// carry their sources.
func LoadLab(dir string) (*Lab, Diagnostics) {
	names, err := listFiles(dir, ".lab.hcl", ".lab.json")
	if diags := checkDirectory(dir, names, err, "lab", "*.lab.hcl"); diags.HasErrors() {
		return &Lab{Agent: defaultAgent}, diags
	}
	return loadLab(dir, names)
}

// LoadLabFile reads one lab file, as LoadLab does.
func LoadLabFile(path string) (*Lab, Diagnostics) {
	return loadLab(filepath.Dir(path), []string{filepath.Base(path)})
}

func loadLab(dir string, names []string) (*Lab, hcl.Diagnostics) {
	l := &labDecoder{
		lab:    &Lab{Agent: defaultAgent},
		labels: map[string]hcl.Range{},
		ids:    map[string]hcl.Range{},
		keys:   map[string]declaredKey{},
	}
	var all hcl.Diagnostics
	var files []*File
	for _, name := range names {
		file, diags := parseFile(dir, name)
		all = append(all, withSource(diags, file)...)
		if file != nil && file.body != nil {
			files = append(files, file)
		}
	}
	// The agent and faults blocks come first, whatever file they are in: nodes
	// blocks start from them.
	for _, pass := range []func(*hcl.Block){l.top, l.nodes} {
		for _, file := range files {
			l.d.diags = nil
			for _, block := range l.blocks(file) {
				pass(block)
			}
			all = append(all, withSource(l.d.diags, file)...)
		}
	}
	if len(l.lab.Nodes) == 0 && !all.HasErrors() {
		all = append(all, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Lab without nodes",
			Detail: "A lab needs at least one nodes block."})
	}
	return l.lab, tidy(all)
}

type labDecoder struct {
	d      decoder
	lab    *Lab
	labels names
	ids    names
	count  int
	agent  *hcl.Range
	faults *hcl.Range
	kms    *hcl.Range
	keys   map[string]declaredKey // by key_id
	told   map[*File]bool
}

// blocks returns the blocks of a file; what is wrong with the file itself is
// said once, not in each pass.
func (l *labDecoder) blocks(file *File) hcl.Blocks {
	before := len(l.d.diags)
	top := l.d.body(file.body, "a lab file", wholeFile(file.Name), form{blocks: "nodes:label agent faults kms"})
	if l.told[file] {
		l.d.diags = l.d.diags[:before]
	}
	if l.told == nil {
		l.told = map[*File]bool{}
	}
	l.told[file] = true
	return top.blocks
}

// top takes the blocks that stand for the whole lab.
func (l *labDecoder) top(block *hcl.Block) {
	second := func(first *hcl.Range) bool {
		if first != nil {
			l.d.complain(block.DefRange, "Duplicate "+block.Type+" block",
				"A lab has at most one %s block outside nodes, and there is one at %s.", block.Type, place(*first))
		}
		return first != nil
	}
	switch block.Type {
	case "agent":
		if !second(l.agent) {
			l.agent = &block.DefRange
			l.lab.Agent = l.d.agent(block, defaultAgent)
		}
	case "faults":
		if !second(l.faults) {
			l.faults = &block.DefRange
			l.lab.Faults = l.d.faults(block, Faults{}, true)
		}
	case "kms":
		if !second(l.kms) {
			l.kms = &block.DefRange
			l.lab.KMS = l.d.kms(block)
			l.sameKey(l.lab.KMS, block.DefRange)
		}
	}
}

var instanceID = regexp.MustCompile(`^(?:i-[0-9a-f]{8,17}|mi-[0-9a-f]{8,17})$`)

func (l *labDecoder) nodes(block *hcl.Block) {
	if block.Type != "nodes" {
		return
	}
	d := &l.d
	b := d.body(block.Body, "a nodes block", block.DefRange, form{
		attributes: "count ids tags platform shell env online user isolation units files reboot_time",
		blocks:     "agent faults kms",
	})
	n := &Nodes{
		Label:      d.name(block),
		Count:      1,
		Tags:       b.texts("tags"),
		Platform:   b.oneOf("platform", "Linux", "Linux", "Windows", "MacOS"),
		Shell:      "sh",
		Env:        b.texts("env"),
		Online:     b.flag("online", true),
		Isolation:  b.oneOf("isolation", "", "", "namespace"),
		Units:      b.texts("units"),
		Files:      b.texts("files"),
		RebootTime: b.span("reboot_time", defaultReboot),
		Range:      block.DefRange,
	}
	d.declare(l.labels, "nodes block", n.Label, n.Range)
	if shell, ok := b.text("shell"); ok {
		n.Shell = shell
	}
	n.User, _ = b.text("user")
	b.exclusive("count", "ids", "ids says how many there are.")
	n.Count = b.whole("count", 1, 1, maxNodes)
	n.IDs = l.nodeIDs(b)
	if n.IDs != nil {
		n.Count = len(n.IDs)
	}
	if l.count += n.Count; l.count > maxNodes {
		d.complain(n.Range, "Too many nodes", "A lab has at most %d nodes.", maxNodes)
	}
	b.checkFiles(n.Files)
	b.checkUnits(n.Units)
	if agent := b.one("agent"); agent != nil {
		a := d.agent(agent, l.lab.Agent)
		n.Agent = &a
	}
	if faults := b.one("faults"); faults != nil {
		f := d.faults(faults, l.lab.Faults, false)
		n.Faults = &f
	}
	if kms := b.one("kms"); kms != nil {
		n.KMS = d.kms(kms)
		l.sameKey(n.KMS, kms.DefRange)
	}
	l.lab.Nodes = append(l.lab.Nodes, n)
}

func (l *labDecoder) nodeIDs(b *body) []string {
	v, ok := b.literal("ids", cty.List(cty.String))
	if !ok {
		return nil
	}
	rng := b.attrs["ids"].Expr.Range()
	ids := []string{}
	for _, element := range v.AsValueSlice() {
		if element.IsNull() || !instanceID.MatchString(element.AsString()) {
			l.d.complain(rng, "Invalid node id", "%s is no id of a node: write i- or mi- and 8 to 17 hexadecimal digits in lower case.", shown(element))
			continue
		}
		id := element.AsString()
		if first, ok := l.ids[id]; ok {
			l.d.complain(rng, "Duplicate node id", "%s is already there at %s. Every node has its own id.", id, place(first))
			continue
		}
		l.ids[id] = rng
		ids = append(ids, id)
	}
	if v.LengthInt() == 0 {
		l.d.complain(rng, "No node ids", "Name at least one id, or use count.")
	}
	return ids
}

func shown(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return fmt.Sprintf("%q", v.AsString())
}

// checkFiles keeps a node's files inside its directory.
func (b *body) checkFiles(files map[string]string) {
	for _, name := range keysOf(files) {
		if !filepath.IsLocal(name) || name == "." {
			b.d.complain(b.attrs["files"].Expr.Range(), "Invalid file name",
				"%q is not below the node's directory: write a relative path without \"..\".", name)
		}
	}
}

func (b *body) checkUnits(units map[string]string) {
	for _, name := range keysOf(units) {
		switch units[name] {
		case "active", "inactive", "failed":
		default:
			b.d.complain(b.attrs["units"].Expr.Range(), "Invalid unit state",
				"The unit %q cannot be %q: it is \"active\", \"inactive\" or \"failed\".", name, units[name])
		}
	}
}

// texts decodes a literal map of texts.
func (b *body) texts(name string) map[string]string {
	v, ok := b.literal(name, cty.Map(cty.String))
	if !ok {
		return nil
	}
	out := map[string]string{}
	for key, element := range v.AsValueMap() {
		if element.IsNull() {
			b.d.complain(b.attrs[name].Expr.Range(), "Wrong type", "%q has a null value at %q. Remove it.", name, key)
			continue
		}
		out[key] = element.AsString()
	}
	return maps.Clone(out)
}

func (b *body) oneOf(name, fallback string, words ...string) string {
	value, ok := b.text(name)
	if !ok {
		return fallback
	}
	b.choice(name, words...)
	return value
}
