package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// node is a managed node: an identity, a directory and a power state.
type node struct {
	id       string
	name     string
	tags     map[string]string
	platform string
	spec     *hclspec.Nodes
	agent    hclspec.Agent
	faults   hclspec.Faults
	kms      *hclspec.KMS // nil: sessions are not encrypted
	ip       string

	dir     string   // the node's own directory, with home, tmp and state in it
	root    *os.Root // dir, once furnished
	account account
	lab     *Lab

	// furnished makes the directory when the first session starts: most nodes of
	// a large lab are never used.
	furnished func() error

	mu     sync.Mutex
	power  power       // guarded by mu
	bootID string      // guarded by mu
	booted time.Time   // guarded by mu
	timer  *time.Timer // guarded by mu: the next power change, or nil

	trouble nodeFaults // guarded by mu
}

// power is whether a node is up.
type power int

const (
	powerOn power = iota
	powerRebooting
	powerOff
	powerNoAgent // up, but for its agent
)

const defaultRebootTime = 2 * time.Second

var (
	nodeLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
	nodeID    = regexp.MustCompile(`^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17})$`)
	unitName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,200}$`)
)

// expandNodes makes the nodes of a lab file, in its order.
func expandNodes(spec *hclspec.Lab) ([]*node, error) {
	var nodes []*node
	ids := make(map[string]bool)
	names := make(map[string]bool)
	for _, group := range spec.Nodes {
		if err := checkGroup(group); err != nil {
			return nil, fmt.Errorf("nodes %q: %w", group.Label, err)
		}
		count := group.Count
		if group.IDs != nil {
			count = len(group.IDs)
		}
		width := max(2, len(strconv.Itoa(count)))
		for i := range count {
			n := &node{
				id:       deriveID(group.Label, i),
				name:     fmt.Sprintf("%s-%0*d", group.Label, width, i+1),
				tags:     maps.Clone(group.Tags),
				platform: group.Platform,
				spec:     group,
				agent:    spec.Agent,
				faults:   spec.Faults,
				kms:      spec.KMS,
				bootID:   newUUID(),
				booted:   time.Now(),
			}
			if group.IDs != nil {
				n.id = group.IDs[i]
			}
			if group.Agent != nil {
				n.agent = *group.Agent
			}
			if group.Faults != nil {
				n.faults = *group.Faults
			}
			if group.KMS != nil {
				n.kms = group.KMS
			}
			n.complete(len(nodes))
			if ids[n.id] || names[n.name] {
				return nil, fmt.Errorf("nodes %q: two nodes are called %s (%s)", group.Label, n.name, n.id)
			}
			ids[n.id], names[n.name] = true, true
			nodes = append(nodes, n)
		}
	}
	return nodes, nil
}

// complete fills in what the lab file left out.
func (n *node) complete(index int) {
	if n.tags == nil {
		n.tags = make(map[string]string)
	}
	if _, ok := n.tags["Name"]; !ok {
		n.tags["Name"] = n.name
	}
	n.platform = platformType(n.platform)
	if n.agent.Version == "" {
		n.agent.Version = "3.3.0.0"
	}
	if n.agent.MaxPayload <= 0 {
		n.agent.MaxPayload = 1024
	}
	n.trouble = newNodeFaults(n.faults)
	n.ip = fmt.Sprintf("10.%d.%d.%d", index>>16&255, index>>8&255, index&255)
	if !n.spec.Online {
		n.power = powerOff
	}
}

func checkGroup(g *hclspec.Nodes) error {
	if !nodeLabel.MatchString(g.Label) {
		return fmt.Errorf("a label has letters, digits, dots, dashes and underscores only")
	}
	for _, id := range g.IDs {
		if !nodeID.MatchString(id) {
			return fmt.Errorf("id %q: a node id is i- and 8 or 17 hexadecimal digits, or mi- and 17", id)
		}
	}
	if g.Isolation != "" {
		return fmt.Errorf("isolation %q is not supported by this version: leave it out", g.Isolation)
	}
	for name := range g.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("file %q: a path is relative to the node's home directory and stays in it", name)
		}
	}
	for name, state := range g.Units {
		if !unitName.MatchString(name) {
			return fmt.Errorf("unit %q: not a name that systemd would take", name)
		}
		if !slices.Contains([]string{"active", "inactive", "failed"}, state) {
			return fmt.Errorf("unit %q: its state is active, inactive or failed, not %q", name, state)
		}
	}
	return nil
}

// deriveID makes the id of a group's node: the same every time.
func deriveID(label string, index int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "ssmrun lab node\x00%s\x00%d", label, index))
	return "i-" + hex.EncodeToString(sum[:])[:17]
}

// furnish makes the node's directory: home, tmp and state belong to its user.
// All that the lab writes there goes through an os.Root, because the processes
// of nodes can put links where the lab, which may be root, is about to write.
func (n *node) furnish() error {
	if err := makeDir(n.dir, 0o711); err != nil {
		return err
	}
	if err := os.Symlink("../../bin", filepath.Join(n.dir, "bin")); err != nil {
		return err
	}
	var err error
	if n.root, err = os.OpenRoot(n.dir); err != nil {
		return err
	}
	for _, d := range []string{"home", "tmp", "state", unitsDir} {
		if err := n.mkdir(d); err != nil {
			return err
		}
	}
	for name, content := range n.spec.Files {
		if err := n.plant(name, content); err != nil {
			return err
		}
	}
	for name, state := range n.spec.Units {
		enabled := "enabled"
		if state == "inactive" {
			enabled = "disabled"
		}
		if err := n.writeUnit(name, state, enabled); err != nil {
			return err
		}
	}
	keep := slices.Sorted(maps.Keys(n.spec.Env))
	if err := n.write("state/env", strings.Join(keep, "\n")+"\n", 0o644); err != nil {
		return err
	}
	return n.writeBoot()
}

const unitsDir = "state/units"

func (n *node) home() string { return filepath.Join(n.dir, "home") }
func (n *node) tmp() string  { return filepath.Join(n.dir, "tmp") }

// mkdir makes a directory of the node's user; name is relative to the node's
// directory.
func (n *node) mkdir(name string) error {
	if err := n.root.Mkdir(name, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	return n.own(name)
}

// own gives a file to the node's user.
func (n *node) own(name string) error {
	if !n.account.switches {
		return nil
	}
	return n.root.Lchown(name, int(n.account.uid), int(n.account.gid))
}

// plant writes a file of the lab file into the home directory. One that starts
// with #! is executable, so that a node can have programs of its own in bin.
func (n *node) plant(name, content string) error {
	dir := "home"
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		dir = path.Join(dir, part)
		if err := n.mkdir(dir); err != nil {
			return err
		}
	}
	var mode fs.FileMode = 0o644
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	return n.write(path.Join("home", name), content, mode)
}

// write replaces a file of the node at once.
func (n *node) write(name, content string, mode fs.FileMode) error {
	if err := n.root.WriteFile(name+".new", []byte(content), mode); err != nil {
		return err
	}
	if err := n.root.Chmod(name+".new", mode); err != nil { // whatever the umask is
		return err
	}
	if err := n.own(name + ".new"); err != nil {
		return err
	}
	return n.root.Rename(name+".new", name)
}

// information is the node as DescribeInstanceInformation tells it.
func (n *node) information(now time.Time) instanceInformation {
	platform := map[string][2]string{
		"Linux":   {"Amazon Linux", "2023"},
		"Windows": {"Microsoft Windows Server 2022 Datacenter", "10.0.20348"},
		"MacOS":   {"macOS", "14.5"},
	}[n.platform]
	status := n.pingStatus()
	ping := now
	if status != "Online" {
		ping = now.Add(-time.Hour)
	}
	return instanceInformation{
		InstanceId:       n.id,
		PingStatus:       status,
		LastPingDateTime: epoch(ping),
		AgentVersion:     n.agent.Version,
		PlatformType:     n.platform,
		PlatformName:     platform[0],
		PlatformVersion:  platform[1],
		ResourceType:     "EC2Instance",
		IPAddress:        n.ip,
		ComputerName:     n.name,
		SourceId:         n.id,
		SourceType:       "AWS::EC2::Instance",
	}
}

// platformType gives a lab file's platform AWS's spelling.
func platformType(platform string) string {
	for _, p := range []string{"Windows", "MacOS"} {
		if strings.EqualFold(p, platform) {
			return p
		}
	}
	return "Linux"
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
