package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

func apiFault(operation, code string, first int) map[string]hclspec.APIFault {
	return map[string]hclspec.APIFault{operation: {Error: code, First: first}}
}

func TestTheFirstCallsOfEachNodeFail(t *testing.T) {
	for code, status := range map[string]int{
		"ThrottlingException": 400, "InternalServerError": 500, "ServiceUnavailable": 503,
		"AccessDeniedException": 400, "ExpiredTokenException": 400, "TargetNotConnected": 400,
	} {
		t.Run(code, func(t *testing.T) {
			l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(2)},
				Faults: hclspec.Faults{API: apiFault("StartSession", code, 2)}}, Options{})
			for _, n := range l.nodes {
				var got []string
				for range 4 {
					s, answer := l.try(t, "StartSession", object{"Target": n.id})
					got = append(got, fmt.Sprint(s, " ", answer["__type"]))
				}
				bad := fmt.Sprint(status, " ", code)
				if want := []string{bad, bad, "200 <nil>", "200 <nil>"}; !slices.Equal(got, want) {
					t.Errorf("%s got %q, want %q", n.name, got, want)
				}
			}
		})
	}
}

func TestCallsFailByChanceAndTheSameWayAgain(t *testing.T) {
	outcomes := func() string {
		l, _ := faultyNode(t, hclspec.Faults{Seed: 3, API: map[string]hclspec.APIFault{"DescribeInstanceInformation": {Error: "ThrottlingException", Share: 0.5}}})
		var all bytes.Buffer
		for range 20 {
			status, _ := l.try(t, "DescribeInstanceInformation", object{})
			fmt.Fprintln(&all, status)
		}
		return all.String()
	}
	first := outcomes()
	if n := bytes.Count([]byte(first), []byte("400")); n < 3 || n > 17 {
		t.Errorf("%d of 20 calls failed", n)
	}
	if again := outcomes(); again != first {
		t.Errorf("first:\n%s\nand then:\n%s", first, again)
	}
}

func TestCallsWithoutAnAnswer(t *testing.T) {
	for code, sessions := range map[string]int{hclspec.ErrorConnectionReset: 0, hclspec.ErrorLostAnswer: 1} {
		t.Run(code, func(t *testing.T) {
			l, n := faultyNode(t, hclspec.Faults{API: apiFault("StartSession", code, 1)})
			body, err := json.Marshal(object{"Target": n.id})
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequest("POST", l.Endpoint()+"/", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-amz-json-1.1")
			req.Header.Set("X-Amz-Target", "AmazonSSM.StartSession")
			id, secret := l.Credentials()
			signRequest(req, signedCall{service: "ssm", target: "AmazonSSM.StartSession", body: string(body), keyID: id, secret: secret, at: time.Now()})
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				resp.Body.Close()
				t.Errorf("answered with %s", resp.Status)
			}
			if got := len(l.Sessions()); got != sessions {
				t.Errorf("%d sessions, want %d", got, sessions)
			}
		})
	}
}

func TestAnEmptyToken(t *testing.T) {
	l, n := faultyNode(t, hclspec.Faults{API: apiFault("ResumeSession", hclspec.ErrorEmptyToken, 1)})
	id := l.ssm(t, "StartSession", object{"Target": n.id})["SessionId"]
	if got := l.ssm(t, "ResumeSession", object{"SessionId": id}); got["TokenValue"] != "" || got["SessionId"] != id {
		t.Errorf("answered %v", got)
	}
	if got := l.ssm(t, "ResumeSession", object{"SessionId": id}); got["TokenValue"] == "" {
		t.Error("the second answer has no token either")
	}
}

func TestNodesHaveFaultsOfTheirOwn(t *testing.T) {
	odd := webNodes(1)
	odd.Label = "odd"
	odd.Faults = &hclspec.Faults{API: apiFault("StartSession", "ThrottlingException", 1)}
	l := startLab(t, &hclspec.Lab{Agent: quickAgent, Nodes: []*hclspec.Nodes{webNodes(1), odd}}, Options{})
	well, _ := l.try(t, "StartSession", object{"Target": l.nodes[0].id})
	ill, _ := l.try(t, "StartSession", object{"Target": l.nodes[1].id})
	if well != 200 || ill != 400 {
		t.Error("the fault is not that of the second node alone")
	}
}
