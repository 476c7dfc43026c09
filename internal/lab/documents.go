package lab

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ssmrun/ssmrun/internal/channel"
	"github.com/ssmrun/ssmrun/internal/hclspec"
)

//go:embed documents/*.json
var documentFiles embed.FS

// defaultDocument is what a StartSession without DocumentName runs: the
// account's shell preferences.
const defaultDocument = "SSM-SessionManagerRunShell"

// document is one of AWS's session documents. The schema is
// https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-schema.html
type document struct {
	name    string
	content string

	Description string
	SessionType channel.SessionType
	Parameters  map[string]documentParameter
	Properties  json.RawMessage
}

type documentParameter struct {
	Type           string
	Description    string
	Default        *string
	AllowedPattern string
	AllowedValues  []string
	pattern        *regexp.Regexp
}

var documentName = regexp.MustCompile(`^[a-zA-Z0-9_\-.:/]{3,128}$`)

// documentsMade is when all of the lab's documents were created.
var documentsMade = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// loadDocuments returns the session documents by name. With a KMS key the
// account's preferences name it.
func loadDocuments(kms *hclspec.KMS) (map[string]*document, error) {
	entries, err := documentFiles.ReadDir("documents")
	if err != nil {
		return nil, err
	}
	docs := make(map[string]*document, len(entries))
	for _, e := range entries {
		text, err := documentFiles.ReadFile(path.Join("documents", e.Name()))
		if err != nil {
			return nil, err
		}
		if kms != nil {
			key, err := json.Marshal(kms.KeyID)
			if err != nil {
				return nil, fmt.Errorf("document %s: %w", e.Name(), err)
			}
			text = bytes.Replace(text, []byte(`"kmsKeyId": ""`), append([]byte(`"kmsKeyId": `), key...), 1)
		}
		d := &document{name: strings.TrimSuffix(e.Name(), ".json"), content: string(text)}
		if err := json.Unmarshal(text, d); err != nil {
			return nil, fmt.Errorf("document %s: %w", d.name, err)
		}
		for name, p := range d.Parameters {
			if p.AllowedPattern != "" {
				if p.pattern, err = regexp.Compile(p.AllowedPattern); err != nil {
					return nil, fmt.Errorf("document %s: parameter %s: %w", d.name, name, err)
				}
				d.Parameters[name] = p
			}
		}
		docs[d.name] = d
	}
	return docs, nil
}

// findDocument looks a document up by its name or its ARN.
func (l *Lab) findDocument(name string) (*document, *apiError) {
	short := name
	if strings.HasPrefix(name, "arn:") {
		short = name[strings.LastIndexByte(name, '/')+1:]
	}
	if d := l.docs[short]; d != nil {
		return d, nil
	}
	return nil, refuse("InvalidDocument", "Document with name %s does not exist.", name)
}

// bind checks the parameters of a StartSession against the document and returns
// the document's properties with the values in place of {{ name }}.
func (d *document) bind(given map[string][]string) (json.RawMessage, *apiError) {
	values := make(map[string]string, len(d.Parameters))
	for name, value := range given {
		p, ok := d.Parameters[name]
		if !ok {
			return nil, refuse("InvalidParameters", "Parameter %q is not defined in document %s.", name, d.name)
		}
		if len(value) != 1 {
			return nil, refuse("InvalidParameters", "Parameter %q must have exactly one value.", name)
		}
		if p.pattern != nil && !p.pattern.MatchString(value[0]) {
			return nil, refuse("InvalidParameters", "Parameter %q must match pattern %s.", name, p.AllowedPattern)
		}
		if p.AllowedValues != nil && !slices.Contains(p.AllowedValues, value[0]) {
			return nil, refuse("InvalidParameters", "Parameter %q must be one of [%s].", name, strings.Join(p.AllowedValues, ", "))
		}
		values[name] = value[0]
	}
	for _, name := range d.parameterNames() {
		if _, ok := values[name]; ok {
			continue
		}
		p := d.Parameters[name]
		if p.Default == nil {
			return nil, refuse("InvalidParameters", "Parameter %q is required by document %s.", name, d.name)
		}
		values[name] = *p.Default
	}
	return substitute(d.Properties, values)
}

func (d *document) parameterNames() []string {
	names := make([]string, 0, len(d.Parameters))
	for name := range d.Parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z0-9_]+)\s*\}\}`)

// substitute fills the placeholders in the strings of a JSON value.
func substitute(properties json.RawMessage, values map[string]string) (json.RawMessage, *apiError) {
	if properties == nil {
		return json.RawMessage("null"), nil
	}
	var tree any
	if err := json.Unmarshal(properties, &tree); err != nil {
		return nil, refuse("InvalidDocument", "%s", err)
	}
	text, err := json.Marshal(fill(tree, values))
	if err != nil {
		return nil, refuse("InvalidDocument", "%s", err)
	}
	return text, nil
}

func fill(tree any, values map[string]string) any {
	switch t := tree.(type) {
	case map[string]any:
		for k, v := range t {
			t[k] = fill(v, values)
		}
	case string:
		return placeholder.ReplaceAllStringFunc(t, func(m string) string {
			return values[placeholder.FindStringSubmatch(m)[1]]
		})
	}
	return tree
}

type documentInput struct {
	Name            *string
	DocumentVersion *string
	DocumentFormat  *string
}

func (l *Lab) documentOf(c *call) (*document, *apiError) {
	var in documentInput
	if refusal := c.decode(&in); refusal != nil {
		return nil, refusal
	}
	var v violations
	v.text("name", in.Name, true, 0, 1<<10)
	v.pattern("name", in.Name, documentName)
	v.oneOf("documentFormat", in.DocumentFormat, "YAML", "JSON", "TEXT")
	if refusal := v.refusal(); refusal != nil {
		return nil, refusal
	}
	d, refusal := l.findDocument(*in.Name)
	if refusal != nil {
		return nil, refusal
	}
	if version := in.DocumentVersion; version != nil && *version != "1" && *version != "$LATEST" && *version != "$DEFAULT" {
		return nil, refuse("InvalidDocumentVersion", "The document version %s of %s does not exist.", *version, d.name)
	}
	return d, nil
}

func (l *Lab) getDocument(c *call) (any, *apiError) {
	d, refusal := l.documentOf(c)
	if refusal != nil {
		return nil, refusal
	}
	return map[string]any{
		"Name":            d.name,
		"CreatedDate":     epoch(documentsMade),
		"DocumentVersion": "1",
		"Status":          "Active",
		"Content":         d.content,
		"DocumentType":    "Session",
		"DocumentFormat":  "JSON",
	}, nil
}

func (l *Lab) describeDocument(c *call) (any, *apiError) {
	d, refusal := l.documentOf(c)
	if refusal != nil {
		return nil, refusal
	}
	type parameter struct {
		Name         string
		Type         string
		Description  string
		DefaultValue *string `json:",omitempty"`
	}
	parameters := []parameter{}
	for _, name := range d.parameterNames() {
		p := d.Parameters[name]
		parameters = append(parameters, parameter{name, p.Type, p.Description, p.Default})
	}
	owner := "Amazon"
	if d.name == defaultDocument {
		owner = accountID // the account's own preferences
	}
	sum := sha256.Sum256([]byte(d.content))
	return map[string]any{"Document": map[string]any{
		"Name":            d.name,
		"Owner":           owner,
		"CreatedDate":     epoch(documentsMade),
		"Status":          "Active",
		"DocumentVersion": "1",
		"Description":     d.Description,
		"Parameters":      parameters,
		"PlatformTypes":   []string{"Windows", "Linux", "MacOS"},
		"DocumentType":    "Session",
		"SchemaVersion":   "1.0",
		"LatestVersion":   "1",
		"DefaultVersion":  "1",
		"DocumentFormat":  "JSON",
		"Hash":            hex.EncodeToString(sum[:]),
		"HashType":        "Sha256",
		"Tags":            []tag{},
	}}, nil
}
