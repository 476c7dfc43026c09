package fleet

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/ssmrun/ssmrun/internal/plan"
)

// container reports whether an id names an ECS container,
// ecs:CLUSTER_TASK_RUNTIME: those are no managed nodes, and only
// GetConnectionStatus knows them.
func container(id string) bool { return strings.HasPrefix(id, "ecs:") }

// gatherContainers asks for each container whether it takes sessions.
// ECS Exec is for Linux and Windows alike; nothing here tells which, and Linux
// is what nearly all are.
func (s *search) gatherContainers(ctx context.Context, ids []string) error {
	for _, id := range ids {
		out, err := s.p.ssm.GetConnectionStatus(ctx, &ssm.GetConnectionStatusInput{Target: &id})
		if badID(err) || apiCode(err) == "InvalidTarget" {
			s.missing = append(s.missing, plan.Missing{ID: id, Why: fmt.Sprintf("no such container (%v)", explain(err)), Error: true})
			continue
		}
		if err != nil {
			return err
		}
		n := node{id: id, platform: "Linux", ping: "ConnectionLost"}
		if out.Status == types.ConnectionStatusConnected {
			n.ping = "Online"
		}
		s.candidates = append(s.candidates, n)
	}
	return nil
}
