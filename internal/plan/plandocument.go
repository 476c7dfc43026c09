package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ssmrun/ssmrun/internal/hclspec"
)

// FormatVersion is the version of the plan document: a minor version adds
// fields, a major one may break.
const FormatVersion = "1.0"

// The plan document. Its fields are documented by their names; times are in
// seconds, and absent where there is no limit.
type (
	planDocument struct {
		FormatVersion string             `json:"format_version"`
		Values        map[string]Value   `json:"values"` // of variables that are not sensitive
		Providers     []providerDocument `json:"providers"`
		Targets       []foundDocument    `json:"targets"`
		Documents     []documentDocument `json:"documents"`
		Sessions      []sessionDocument  `json:"sessions"`
		Files         map[string]string  `json:"files,omitempty"`
		Warnings      []warningDocument  `json:"warnings,omitempty"`
	}
	providerDocument struct {
		Key       string  `json:"key"`
		Region    string  `json:"region,omitempty"`
		Profile   string  `json:"profile,omitempty"`
		RoleARN   string  `json:"role_arn,omitempty"`
		StartRate float64 `json:"start_rate"`

		RequireEncryption bool   `json:"require_encryption,omitempty"`
		KMSKeyID          string `json:"kms_key_id,omitempty"`
	}
	foundDocument struct {
		Address string    `json:"addr"`
		Targets []Target  `json:"targets"`
		Missing []Missing `json:"missing,omitempty"`
	}
	documentDocument struct {
		Provider    string `json:"provider"`
		Name        string `json:"name"` // "" is the account's shell preferences
		Version     string `json:"version,omitempty"`
		Hash        string `json:"hash,omitempty"`
		SessionType string `json:"session_type"`
	}
	sessionDocument struct {
		Address           string          `json:"addr"`
		Name              string          `json:"session"`
		Kind              Kind            `json:"kind"`
		Document          string          `json:"document,omitempty"`
		Reason            string          `json:"reason,omitempty"`
		When              string          `json:"when,omitempty"`
		Timeout           float64         `json:"timeout,omitempty"`
		MaxOutput         int64           `json:"max_output"`
		OnDisconnect      string          `json:"on_disconnect"`
		After             string          `json:"after"`
		RequireEncryption bool            `json:"require_encryption,omitempty"` // beside its provider
		KMSKeyID          string          `json:"kms_key_id,omitempty"`
		Helper            bool            `json:"helper,omitempty"`
		DependsOn         []string        `json:"depends_on,omitempty"` // session blocks
		Rollout           rolloutDocument `json:"rollout"`
		Jobs              []jobDocument   `json:"jobs"`
		Steps             []stepDocument  `json:"steps"`
		Finally           []stepDocument  `json:"finally,omitempty"`
	}
	rolloutDocument struct {
		Waves        [][]string `json:"waves"` // target ids
		MaxParallel  int        `json:"max_parallel,omitempty"`
		MaxFailures  *int       `json:"max_failures"` // null: no budget
		Pause        float64    `json:"pause,omitempty"`
		ApproveWaves bool       `json:"approve_waves,omitempty"`
		OnHalt       string     `json:"on_halt"`
		Implied      bool       `json:"implied,omitempty"`
	}
	jobDocument struct {
		Address  string `json:"addr"`
		Target   string `json:"target"`
		Provider string `json:"provider"`
		Online   bool   `json:"online"`
		Wave     int    `json:"wave"` // from 1
		Kind     Kind   `json:"kind"`
		Document string `json:"document,omitempty"`
	}
	stepDocument struct {
		Step       string            `json:"step"`
		Action     Action            `json:"action"`
		Command    string            `json:"command,omitempty"`  // the same on all targets
		Commands   map[string]string `json:"commands,omitempty"` // by target id, where they differ
		When       string            `json:"when,omitempty"`
		Timeout    float64           `json:"timeout,omitempty"`
		Retry      *retryDocument    `json:"retry,omitempty"`
		OnFailure  string            `json:"on_failure"`
		Idempotent bool              `json:"idempotent,omitempty"`
		Sensitive  bool              `json:"sensitive,omitempty"`
	}
	retryDocument struct {
		Attempts int     `json:"attempts"`
		Delay    float64 `json:"delay"`
		Backoff  float64 `json:"backoff"`
		MaxDelay float64 `json:"max_delay,omitempty"`
		Within   float64 `json:"within,omitempty"`
	}
	warningDocument struct {
		Summary string `json:"summary"`
		Detail  string `json:"detail,omitempty"`
		File    string `json:"file,omitempty"`
		Line    int    `json:"line,omitempty"`
	}
)

// JSON returns the plan as a document for programs, the same bytes for the
// same plan. There is no secret in it, nor anything derived from one.
func (p *Plan) JSON() ([]byte, error) {
	doc := planDocument{
		FormatVersion: FormatVersion, Values: p.plainValues(), Files: p.Files,
		Providers: []providerDocument{}, Targets: []foundDocument{}, Documents: []documentDocument{}, Sessions: []sessionDocument{},
	}
	for _, provider := range p.Providers {
		doc.Providers = append(doc.Providers, providerDocument{provider.Key, provider.Region, provider.Profile, provider.RoleARN, provider.StartRate,
			provider.RequireEncryption, provider.KMSKeyID})
	}
	for _, found := range p.Found {
		targets := found.Targets
		if targets == nil {
			targets = []Target{}
		}
		doc.Targets = append(doc.Targets, foundDocument{found.Address, targets, found.Missing})
	}
	for ref, d := range p.Documents {
		doc.Documents = append(doc.Documents, documentDocument{ref.Provider, ref.Name, d.Version, d.Hash, d.SessionType})
	}
	slices.SortFunc(doc.Documents, func(a, b documentDocument) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Name, b.Name))
	})
	for _, s := range p.Sessions {
		doc.Sessions = append(doc.Sessions, p.sessionDocument(s))
	}
	for _, d := range p.Warnings {
		doc.Warnings = append(doc.Warnings, warningOf(d))
	}
	encoded, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return encoded, nil
}

// plainValues has the values of variables that are neither sensitive nor
// ephemeral.
func (p *Plan) plainValues() map[string]Value {
	values := map[string]Value{}
	for name, v := range p.eval.before.Variables["var"].AsValueMap() {
		if isSecret(v) || !v.IsWhollyKnown() {
			continue
		}
		if value, err := encodeValue(v); err == nil {
			values[name] = value
		}
	}
	return values
}

func (p *Plan) sessionDocument(s *Session) sessionDocument {
	doc := sessionDocument{
		Address: s.Address, Name: s.Name, Kind: s.Kind, Document: s.Document, Reason: s.Reason, When: s.When,
		Timeout: s.Timeout.Seconds(), MaxOutput: s.MaxOutput, OnDisconnect: s.OnDisconnect, After: "passed",
		RequireEncryption: s.RequireEncryption, KMSKeyID: s.KMSKeyID, Helper: s.Helper,
		Rollout: rolloutOf(s), Jobs: make([]jobDocument, len(s.Jobs)), Steps: []stepDocument{},
	}
	if s.AfterEnded {
		doc.After = "ended"
	}
	for _, name := range s.block.after {
		doc.DependsOn = append(doc.DependsOn, "session."+name)
	}
	for i, job := range s.Jobs {
		doc.Jobs[i] = jobDocument{job.Address, job.Target.ID, job.Target.Provider, job.Target.Online, job.Wave + 1, job.Kind, job.Document}
	}
	for _, step := range s.Steps {
		doc.Steps = append(doc.Steps, p.stepDocument(s, step))
	}
	for _, step := range s.Finally {
		doc.Finally = append(doc.Finally, p.stepDocument(s, step))
	}
	return doc
}

func rolloutOf(s *Session) rolloutDocument {
	r := s.Rollout
	doc := rolloutDocument{
		Waves: make([][]string, len(r.Waves)), MaxParallel: r.MaxParallel, Pause: r.Pause.Seconds(),
		ApproveWaves: r.ApproveWaves, OnHalt: r.OnHalt, Implied: r.Implied,
	}
	if r.MaxFailures >= 0 {
		doc.MaxFailures = &r.MaxFailures
	}
	for _, job := range s.Jobs {
		doc.Waves[job.Wave] = append(doc.Waves[job.Wave], job.Target.ID)
	}
	return doc
}

func (p *Plan) stepDocument(s *Session, step *Step) stepDocument {
	doc := stepDocument{
		Step: step.Label, Action: step.Action, When: step.When, Timeout: step.Timeout.Seconds(),
		OnFailure: "stop", Idempotent: step.Idempotent, Sensitive: step.Sensitive,
	}
	if step.OnFailureContinue {
		doc.OnFailure = "continue"
	}
	if step.decl.Retry != nil {
		r := step.Retry
		doc.Retry = &retryDocument{r.Attempts, r.Delay.Seconds(), r.Backoff, r.MaxDelay.Seconds(), r.Within.Seconds()}
	}
	if !step.uses.target || len(s.Jobs) == 0 {
		doc.Command = p.Preview(s.representative, step)
		return doc
	}
	doc.Commands = make(map[string]string, len(s.Jobs))
	for _, job := range s.Jobs {
		doc.Commands[job.Target.ID] = p.Preview(job, step)
	}
	return doc
}

func warningOf(d *hclspec.Diagnostic) warningDocument {
	w := warningDocument{Summary: d.Summary, Detail: d.Detail}
	if d.Subject != nil {
		w.File, w.Line = d.Subject.Filename, d.Subject.Start.Line
	}
	return w
}
