package exec

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/shell"
)

// bootScript prints where a boot id comes from and what it is, or nothing when
// the target has none. A program that the target's owner has put into PATH is
// asked before the kernel: the kernel of a system container is its host's, whose
// boot id does not change with a restart of the container.
const bootScript = `if command -v ssmrun-boot-id >/dev/null 2>&1; then
	id=$(ssmrun-boot-id) && [ -n "$id" ] && echo "ssmrun-boot-id $id"
elif [ -r /proc/sys/kernel/random/boot_id ]; then
	read -r id </proc/sys/kernel/random/boot_id && echo "kernel.random.boot_id $id"
else
	id=$(PATH=$PATH:/usr/sbin:/sbin sysctl -n kern.bootsessionuuid 2>/dev/null) && [ -n "$id" ] && echo "kern.bootsessionuuid $id"
fi
exit 0
`

// maxBootID bounds what is read of a target's answer.
const maxBootID = 512

// bootID tells one boot of a target from another. The zero value is that of a
// target that has none.
type bootID struct{ source, id string }

func parseBootID(text string) (bootID, error) {
	fields := strings.Fields(text)
	switch len(fields) {
	case 0:
		return bootID{}, nil
	case 2:
		return bootID{fields[0], fields[1]}, nil
	}
	return bootID{}, fmt.Errorf("the target answered %q when it was asked for its boot id", lastRunes(text, 100))
}

// bootID asks the target for it, in a step that nobody sees.
func (c *shellClient) bootID(ctx context.Context) (bootID, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	out := &limitedBuffer{limit: maxBootID}
	result, err := c.Run(ctx, shell.Step{Script: []byte(bootScript), Shell: "sh", Grace: time.Second}, out, nil)
	switch {
	case err != nil:
		return bootID{}, fmt.Errorf("read the boot id: %w", err)
	case result.Cancelled:
		return bootID{}, fmt.Errorf("read the boot id: no answer within %s", bootTimeout)
	case !result.Stdout.Verified:
		return bootID{}, fmt.Errorf("read the boot id: %w", result.Stdout.Defect)
	}
	return parseBootID(out.String())
}

// limitedBuffer keeps the first bytes that are written to it.
type limitedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, b.limit-b.Len()))])
	return len(p), nil
}
