package fleet

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ssmrun/ssmrun/internal/plan"
)

func smallFleet() *service {
	return &service{nodes: []fakeNode{
		{id: "i-00000000000000003", tags: map[string]string{"Role": "web", "Env": "prod", "Name": "web-3"}},
		{id: "i-00000000000000001", tags: map[string]string{"Role": "web", "Env": "stage", "Name": "web-1"}},
		{id: "i-00000000000000002", tags: map[string]string{"Role": "web", "Env": "dev"}, computer: "web-two.local"},
		{id: "i-00000000000000004", tags: map[string]string{"Role": "db", "Env": "prod", "Name": "db-4"}, ping: "ConnectionLost"},
		{id: "i-00000000000000005", platform: "Windows", tags: map[string]string{"Role": "web-admin", "Env": "prod"}},
		{id: "mi-0000000000000006", name: "cash-desk", computer: "till"},
		{id: "i-00000000000000007", tags: map[string]string{"Role": "web", "Env": "prod", "Name": "web-7"}, stopped: true},
	}}
}

// short makes an id of smallFleet from its number.
func short(n int) string {
	if n == 6 {
		return "mi-0000000000000006"
	}
	return fmt.Sprintf("i-%017d", n)
}

func shorts(ns ...int) (ids []string) {
	for _, n := range ns {
		ids = append(ids, short(n))
	}
	return ids
}

func targetIDs(found plan.Found) (ids []string) {
	for _, t := range found.Targets {
		ids = append(ids, t.ID)
	}
	return ids
}

func TestFindSelects(t *testing.T) {
	type tags = map[string][]string
	cases := []struct {
		name    string
		sel     plan.Selection
		want    []string
		missing []plan.Missing
	}{
		{"everything", plan.Selection{}, shorts(1, 2, 3, 4, 5, 6), nil},
		{"one tag", plan.Selection{Tags: tags{"Role": {"web"}}}, shorts(1, 2, 3), nil},
		{"values are alternatives, tags intersect", plan.Selection{Tags: tags{"Role": {"web"}, "Env": {"prod", "stage"}}}, shorts(1, 3), nil},
		{"wildcard", plan.Selection{Tags: tags{"Role": {"web*"}}}, shorts(1, 2, 3, 5), nil},
		{"wildcard beside exact", plan.Selection{Tags: tags{"Role": {"*eb"}, "Env": {"prod"}}}, shorts(3), nil},
		{"two wildcards", plan.Selection{Tags: tags{"Role": {"w*"}, "Env": {"*o*"}}}, shorts(3, 5), nil},
		{"any value", plan.Selection{Tags: tags{"Role": {"*"}}}, shorts(1, 2, 3, 4, 5), nil},
		{"no such tag", plan.Selection{Tags: tags{"Role": {"cache"}}}, nil, nil},
		{"no value", plan.Selection{Tags: tags{"Role": {}}}, nil, nil},
		{"platform", plan.Selection{Platform: "Windows", Tags: tags{"Env": {"prod"}}}, shorts(5), []plan.Missing{
			{ID: short(3), Why: "its platform is Linux, not Windows"}, {ID: short(4), Why: "its platform is Linux, not Windows"}}},
		{"online", plan.Selection{OnlineOnly: true, Tags: tags{"Env": {"prod"}}}, shorts(3, 5), []plan.Missing{
			{ID: short(4), Why: "offline (ConnectionLost), and online = true"}}},
		{"exclude", plan.Selection{Exclude: shorts(2, 9), Tags: tags{"Role": {"web"}}}, shorts(1, 3), []plan.Missing{
			{ID: short(2), Why: "excluded"}}},
		{"ids", plan.Selection{IDs: shorts(6, 1)}, shorts(1, 6), nil},
		{"an id twice", plan.Selection{IDs: shorts(1, 1)}, shorts(1), nil},
		{"a stopped and an unknown id", plan.Selection{IDs: shorts(7, 1, 8)}, shorts(1), []plan.Missing{
			{ID: short(7), Why: lost, Error: true}, {ID: short(8), Why: lost, Error: true}}},
		{"an unknown id that is excluded", plan.Selection{IDs: shorts(1, 8), Exclude: shorts(8)}, shorts(1), []plan.Missing{
			{ID: short(8), Why: "excluded"}}},
		{"ids and tags", plan.Selection{IDs: shorts(1, 4), Tags: tags{"Role": {"web"}}}, shorts(1), []plan.Missing{
			{ID: short(4), Why: "its tags do not match"}}},
		{"ids and names", plan.Selection{IDs: shorts(1, 4), Names: []string{"db-*"}}, shorts(4), []plan.Missing{
			{ID: short(1), Why: "its name does not match"}}},
		{"name tag", plan.Selection{Names: []string{"web-3"}}, shorts(3), nil},
		{"host name without a name tag", plan.Selection{Names: []string{"web-two.local"}}, shorts(2), nil},
		{"name given at activation", plan.Selection{Names: []string{"cash-desk", "db-4"}}, shorts(4, 6), nil},
		{"host name behind another name", plan.Selection{Names: []string{"till"}}, nil, []plan.Missing{
			{ID: "till", Why: "no managed node has this name", Error: true}}},
		{"wildcard name", plan.Selection{Names: []string{"web-*"}}, shorts(1, 2, 3), nil},
		{"names and tags", plan.Selection{Names: []string{"web-*"}, Tags: tags{"Env": {"prod"}}}, shorts(3), nil},
		{"name of a stopped node", plan.Selection{Names: []string{"web-7"}}, nil, []plan.Missing{{ID: "web-7", Error: true,
			Why: short(7) + " has this name and is not registered with Systems Manager: stopped, without agent, or without permissions for it"}}},
		{"resource group", plan.Selection{ResourceGroup: "cash"}, shorts(4, 6), []plan.Missing{{ID: short(7), Why: lost}}},
		{"resource group and tags", plan.Selection{ResourceGroup: "cash", Tags: tags{"Role": {"*"}}}, shorts(4), nil},
		{"resource group and ids", plan.Selection{ResourceGroup: "cash", IDs: shorts(1, 6)}, shorts(6), []plan.Missing{
			{ID: short(1), Why: "it is not in the resource group"}}},
		{"container", plan.Selection{IDs: []string{"ecs:cluster_task_task-1"}}, []string{"ecs:cluster_task_task-1"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.sel.Provider, c.sel.Address = "aws", "targets.x"
			f := inMemory(t, smallFleet(), Options{})
			found, err := f.Find(t.Context(), []plan.Selection{c.sel})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, targetIDs(found[0])); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.missing, found[0].Missing, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindDescribesTargets(t *testing.T) {
	f := inMemory(t, smallFleet(), Options{})
	found, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", IDs: shorts(1), WantTags: true}})
	if err != nil {
		t.Fatal(err)
	}
	want := plan.Target{
		ID: short(1), Name: "web-1", Platform: "Linux", IP: "10.0.0.1", Region: "eu-west-1", Account: "111122223333",
		Tags: map[string]string{"Role": "web", "Env": "stage", "Name": "web-1"}, Online: true, PingStatus: "Online",
		AgentVersion: "3.3.0.0", Provider: "aws",
	}
	if diff := cmp.Diff(want, found[0].Targets[0]); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

func TestFindAsksForTagsOnlyWhenWanted(t *testing.T) {
	s := smallFleet()
	f := inMemory(t, s, Options{})
	if _, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", Tags: map[string][]string{"Role": {"web"}}}}); err != nil {
		t.Fatal(err)
	}
	if n := s.count("GetResources"); n != 0 {
		t.Errorf("%d GetResources calls for a selection by exact tags, want none", n)
	}
}

func TestFindListsOnceForEqualFilters(t *testing.T) {
	s := smallFleet()
	f := inMemory(t, s, Options{})
	var sels []plan.Selection
	for i := range 10 {
		sels = append(sels, plan.Selection{Address: fmt.Sprint("targets.", i), Provider: "aws", WantTags: true,
			Platform: []string{"Linux", "Windows"}[i%2], Tags: map[string][]string{"Env": {"prod"}, "Role": {"web", "db"}}})
	}
	found, err := f.Find(t.Context(), sels)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 10 || found[7].Address != "targets.7" || len(found[0].Targets) != 2 {
		t.Errorf("found %+v", found)
	}
	if a, b := s.count("DescribeInstanceInformation"), s.count("GetResources"); a != 1 || b != 1 {
		t.Errorf("%d listings and %d tag look-ups, want one of each", a, b)
	}
}

func bigFleet(n int) *service {
	s := &service{}
	for i := range n {
		s.nodes = append(s.nodes, fakeNode{id: fmt.Sprintf("i-%017x", i), tags: map[string]string{"Role": "web", "Name": fmt.Sprint("n", i)}})
	}
	return s
}

func TestFindPagesThroughTenThousand(t *testing.T) {
	s := bigFleet(10_000)
	f := inMemory(t, s, Options{})
	found, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", WantTags: true, Tags: map[string][]string{"Role": {"web"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(found[0].Targets); n != 10_000 {
		t.Fatalf("found %d targets", n)
	}
	if got := found[0].Targets[4711]; got.ID != fmt.Sprintf("i-%017x", 4711) || got.Name != "n4711" {
		t.Errorf("target 4711 is %+v", got)
	}
	if n := s.count("DescribeInstanceInformation"); n != 200 {
		t.Errorf("%d pages, want 200", n)
	}
}

func TestFindBisectsBadIDs(t *testing.T) {
	s := bigFleet(1000)
	f := inMemory(t, s, Options{})
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("i-%017x", i))
	}
	ids[77], ids[500] = "i-deadbeefdeadbeef1", "i-deadbeefdeadbeef2"
	found, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", IDs: ids}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found[0].Targets) != 998 || len(found[0].Missing) != 2 {
		t.Errorf("%d targets and %d missing, want 998 and 2", len(found[0].Targets), len(found[0].Missing))
	}
	if n := s.count("DescribeInstanceInformation"); n > 20+2*12 {
		t.Errorf("%d calls for 20 chunks with two bad ids", n)
	}
}

func TestFindManyBadIDsFallsBackToTheListing(t *testing.T) {
	s := bigFleet(500)
	f := inMemory(t, s, Options{})
	var ids []string
	for i := range 500 {
		ids = append(ids, fmt.Sprintf("i-%017x", i*2)) // every other one is gone
	}
	found, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", IDs: ids}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found[0].Targets) != 250 || len(found[0].Missing) != 250 {
		t.Errorf("%d targets and %d missing, want 250 each", len(found[0].Targets), len(found[0].Missing))
	}
	if n := s.count("DescribeInstanceInformation"); n > 200 {
		t.Errorf("%d calls", n)
	}
}

func TestFindErrorsSayWhatToDo(t *testing.T) {
	denied := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, 400, "AccessDeniedException", "User: me is not authorized to perform: ssm:DescribeInstanceInformation")
	})
	f := inMemory(t, denied, Options{})
	sel := plan.Selection{Address: "targets.web", Provider: "aws"}
	_, err := f.Find(t.Context(), []plan.Selection{sel, sel})
	if err == nil {
		t.Fatal("no error")
	}
	want := "targets.web: provider aws, region eu-west-1: find nodes: AccessDeniedException: User: me is not authorized to perform: " +
		"ssm:DescribeInstanceInformation (the permissions that ssmrun needs are in docs/aws.md) [request id req-1]"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

// nobody is a service that cannot be reached.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connect: connection refused")
}

// No answer is not called an answer.
func TestErrorsOfTheWayAreSaidAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := inMemory(t, &service{}, Options{})
		f.client.Transport = nobody{}
		_, err := f.Find(t.Context(), []plan.Selection{{Address: "targets.web", Provider: "aws"}})
		want := `find nodes: Post "http://127.0.0.1:1/": connect: connection refused`
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"web", "web", true}, {"web", "webs", false}, {"web*", "web", true}, {"*", "", true}, {"w*b", "web", true},
		{"w*b", "wb", true}, {"w*b*", "wxbx", true}, {"ab*ba", "aba", false}, {"a*b*c", "a-c-b", false}, {"*a*a", "aa", true},
		{"*a*a", "a", false}, {"**", "x", true}, {"", "", true}, {"", "x", false}, {"a*", "b", false},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
	if glob(strings.Repeat("a*", 1000)+"b", strings.Repeat("a", 100_000)) {
		t.Error("matched")
	}
}

func TestFindInAResourceGroupThatIsNotThere(t *testing.T) {
	f := inMemory(t, smallFleet(), Options{})
	_, err := f.Find(t.Context(), []plan.Selection{{Provider: "aws", Address: "targets.x", ResourceGroup: "nope"}})
	if want := `find nodes: list resource group "nope": NotFoundException: Cannot find group`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
