package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/ssmrun/ssmrun/internal/plan"
)

const (
	// preferences is the document that an account's shell preferences are
	// kept in, and that a session without a document uses.
	preferences = "SSM-SessionManagerRunShell"

	// defaultIdle is Session Manager's idle timeout where a document has none:
	// https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-timeout.html
	defaultIdle = 20 * time.Minute
)

// Documents reads each document once (GetDocument), several at the same time.
// The name "" stands for the account's shell preferences, which need not exist:
// then it is what Session Manager does by default. A document that is not there
// or is no session document has a Defect that names it.
func (f *Fleet) Documents(ctx context.Context, refs []plan.DocumentRef) (map[plan.DocumentRef]plan.Document, error) {
	refs = slices.Clone(refs)
	docs := make([]plan.Document, len(refs))
	errs := make([]error, len(refs))
	slots := make(chan struct{}, listersMax)
	var wg sync.WaitGroup
	for i, ref := range refs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			docs[i], errs[i] = f.document(ctx, ref)
		})
	}
	wg.Wait()
	if err := errors.Join(distinct(errs)...); err != nil {
		return nil, err
	}
	byRef := make(map[plan.DocumentRef]plan.Document, len(refs))
	for i, ref := range refs {
		byRef[ref] = docs[i]
	}
	return byRef, nil
}

func (f *Fleet) document(ctx context.Context, ref plan.DocumentRef) (plan.Document, error) {
	p, err := f.provider(ref.Provider)
	if err != nil {
		return plan.Document{}, err
	}
	doc, err := p.documents.get(ctx, ref.Name, func() (plan.Document, error) { return p.readDocument(ctx, ref.Name) })
	if err != nil {
		return plan.Document{}, fmt.Errorf("provider %s, region %s: %w", p.Key, p.Region, ended(ctx, err))
	}
	p.mu.Lock()
	p.sessionTypes[ref.Name] = doc.SessionType
	p.mu.Unlock()
	return doc, nil
}

// readDocument asks for JSON, which AWS makes of YAML too.
func (p *provider) readDocument(ctx context.Context, name string) (plan.Document, error) {
	asked := name
	if name == "" {
		asked = preferences
	}
	out, err := p.ssm.GetDocument(ctx, &ssm.GetDocumentInput{Name: &asked, DocumentFormat: types.DocumentFormatJson})
	if apiCode(err) == "InvalidDocument" {
		if name == "" {
			return plan.Document{SessionType: "Standard_Stream", IdleTimeout: defaultIdle}, nil
		}
		return p.unfit(name, "The document %q does not exist in the account and region of provider %s (%s), or is not shared with it: "+
			"see `aws ssm list-documents --filters Key=DocumentType,Values=Session`"), nil
	}
	if err != nil {
		return plan.Document{}, fmt.Errorf("read document %q: %w", asked, explain(err))
	}
	if out.DocumentType != "" && out.DocumentType != types.DocumentTypeSession {
		return p.unfit(asked, "The document %q of provider %s (%s) is of type "+string(out.DocumentType)+": a session needs one of type Session"), nil
	}
	doc, err := parseDocument([]byte(aws.ToString(out.Content)))
	if err != nil {
		return plan.Document{}, fmt.Errorf("read document %q: %w", asked, err)
	}
	doc.Name = name
	doc.Version = aws.ToString(out.DocumentVersion)
	return doc, nil
}

// unfit is a document of which no session can be had; why takes its name, the
// provider and the region.
func (p *provider) unfit(name, why string) plan.Document {
	return plan.Document{Name: name, Defect: fmt.Sprintf(why, name, p.Key, p.Region)}
}

// sessionDocument is the schema of session documents, version 1.0, as far as it
// is used: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-schema.html
type sessionDocument struct {
	SessionType string                       `json:"sessionType"`
	Parameters  map[string]documentParameter `json:"parameters"`
	Inputs      struct {
		S3Bucket     loose `json:"s3BucketName"`
		LogGroup     loose `json:"cloudWatchLogGroupName"`
		KMSKeyID     loose `json:"kmsKeyId"`
		RunAsEnabled loose `json:"runAsEnabled"`
		RunAsUser    loose `json:"runAsDefaultUser"`
		Idle         loose `json:"idleSessionTimeout"`
		MaxDuration  loose `json:"maxSessionDuration"`
		ShellProfile struct {
			Linux   loose `json:"linux"`
			Windows loose `json:"windows"`
		} `json:"shellProfile"`
	} `json:"inputs"`
}

type documentParameter struct {
	Default json.RawMessage `json:"default"`
}

// loose is a string, a number or a boolean: authors of documents write all
// three, and the agent takes them.
type loose string

func (l *loose) UnmarshalJSON(raw []byte) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case string:
		*l = loose(v)
	case bool:
		*l = loose(strconv.FormatBool(v))
	case float64:
		*l = loose(strconv.FormatFloat(v, 'f', -1, 64))
	default:
		return fmt.Errorf("want text, got %s", raw)
	}
	return nil
}

// parseDocument reads a session document's content.
func parseDocument(content []byte) (plan.Document, error) {
	var raw sessionDocument
	if err := json.Unmarshal(content, &raw); err != nil {
		return plan.Document{}, fmt.Errorf("parse its content as JSON: %w", err)
	}
	sum := sha256.Sum256(content)
	in := raw.Inputs
	doc := plan.Document{
		Hash:         hex.EncodeToString(sum[:]),
		SessionType:  raw.SessionType,
		KMSKeyID:     string(in.KMSKeyID),
		ShellProfile: string(in.ShellProfile.Linux),
		IdleTimeout:  minutes(in.Idle, defaultIdle),
	}
	doc.MaxSessionTime = minutes(in.MaxDuration, 0)
	if doc.ShellProfile == "" {
		doc.ShellProfile = string(in.ShellProfile.Windows)
	}
	for name, param := range raw.Parameters {
		doc.Parameters = append(doc.Parameters, name)
		if param.Default == nil {
			doc.Required = append(doc.Required, name)
		}
		if strings.EqualFold(name, "separateOutputStream") {
			doc.SeparateOutputStream = true
		}
	}
	slices.Sort(doc.Parameters)
	slices.Sort(doc.Required)
	if strings.EqualFold(string(in.RunAsEnabled), "true") {
		doc.RunAs = string(in.RunAsUser)
		if doc.RunAs == "" {
			doc.RunAs = "(the caller's SSMSessionRunAs tag)"
		}
	}
	if in.S3Bucket != "" {
		doc.LogSinks = append(doc.LogSinks, "s3://"+string(in.S3Bucket))
	}
	if in.LogGroup != "" {
		doc.LogSinks = append(doc.LogSinks, "cloudwatch:"+string(in.LogGroup))
	}
	return doc, nil
}

// maxMinutes is far above what AWS allows (1,440), and far below what a duration
// cannot hold.
const maxMinutes = 1 << 24

// minutes reads a number of minutes; what is none is the default, as the agent
// has it.
func minutes(text loose, otherwise time.Duration) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n <= 0 || n > maxMinutes {
		return otherwise
	}
	return time.Duration(n) * time.Minute
}
