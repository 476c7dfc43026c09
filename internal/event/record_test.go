package event

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ssmrun/ssmrun/internal/outcome"
)

var when = time.Date(2026, 1, 2, 15, 4, 5, 120_000, time.UTC)

// sample returns a fact of the type with something in every field.
func sample(t *testing.T, name string) Fact {
	t.Helper()
	zero, err := decoders[name].decode([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	fill(v)
	return v.Interface().(Fact)
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x<\n\"é")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k)
		fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.Slice:
		if v.Type() == rawType {
			v.SetBytes([]byte(`{"a":[1,"b"]}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	}
}

func TestEveryFactSurvivesJSON(t *testing.T) {
	for name := range decoders {
		f := sample(t, name)
		if log, ok := f.(LogFact); ok {
			log.Severity = LevelWarn
			f = log
		}
		rec := Record{Seq: 9, Time: when, RunID: "r", Fact: f}
		b, err := json.Marshal(rec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.ContainsAny(string(b), "\n\r") {
			t.Errorf("%s: the record has a line end in it: %s", name, b)
		}
		got, err := ParseRecord(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(rec, got); diff != "" {
			t.Errorf("%s came back different (-want +got):\n%s", name, diff)
		}
	}
}

func TestFieldsOfFactsDoNotHideTheEnvelope(t *testing.T) {
	for name, d := range decoders {
		for field := range d.fields {
			if envelopeFields[field] {
				t.Errorf("%s has a field %q, as the envelope does", name, field)
			}
			if field == "" {
				t.Errorf("%s has a field without a JSON name", name)
			}
		}
	}
}

func TestTypesAreThoseOfTheContract(t *testing.T) {
	want := strings.Fields(`version log diagnostic planned_session plan_summary run_start wave_start
		wave_complete wave_pause wave_halted approval session_queued session_start session_ready session_reconnect
		session_complete step_start step_output step_progress step_expect step_capture step_complete job_complete
		check_complete run_summary outputs`)
	for _, name := range want {
		if _, ok := decoders[name]; !ok {
			t.Errorf("no fact has the type %s", name)
		}
	}
	if len(decoders) != len(want) {
		t.Errorf("%d types of facts, want %d", len(decoders), len(want))
	}
}

func TestRecordIsOneFlatObject(t *testing.T) {
	code := 3
	rec := Record{Seq: 12, Time: when, RunID: "20260102T150405-abcdef", Fact: StepComplete{
		Step:     Step{Address: `session.a["i-1"].step.b`, Session: "a", Target: "i-1", Step: "b", Attempt: 1},
		Outcome:  outcome.Failed,
		ExitCode: &code,
		Final:    true,
		Why:      "a && b < c",
	}}
	got, err := rec.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"@level":"error","@message":"session.a[\"i-1\"].step.b: failed: a && b < c","@module":"ssmrun",` +
		`"@timestamp":"2026-01-02T15:04:05.000120Z","type":"step_complete","run_id":"20260102T150405-abcdef","seq":12,` +
		`"addr":"session.a[\"i-1\"].step.b","session":"a","target":"i-1","step":"b","attempt":1,` +
		`"outcome":"failed","exit_code":3,"stdout_bytes":0,"stderr_bytes":0,"stdout_kept":0,"stderr_kept":0,` +
		`"duration_ms":0,"verified":false,"final":true,"why":"a && b < c"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordsOfANewerVersionAreKept(t *testing.T) {
	const env = `"@level":"warn","@message":"hm","@module":"ssmrun","@timestamp":"2026-01-02T15:04:05.000120Z",`
	for _, line := range []string{
		`{` + env + `"type":"step_dream","run_id":"r","seq":4,"addr":"x","deep":{"a":[1,{"b":"}\"]"}]}}`,
		`{` + env + `"type":"step_nothing","run_id":"r","seq":4}`,
		`{` + env + `"type":"log","run_id":"r","seq":4,"colour":"[red, \"blue\"]","n":[{},[]]}`,
	} {
		rec, err := ParseRecord([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		got, err := rec.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != line {
			t.Errorf("got  %s\nwant %s", got, line)
		}
	}
}

func TestParseRecordRefusesWhatIsNone(t *testing.T) {
	for _, line := range []string{``, `{`, `[]`, `{}`, `{"type":"log"}`, `{"type":"log","@timestamp":"yesterday"}`,
		`{"type":"step_complete","@timestamp":"2026-01-02T15:04:05Z","attempt":"one"}`, `null`, `"x"`} {
		if rec, err := ParseRecord([]byte(line)); err == nil {
			t.Errorf("%q was read as %+v", line, rec)
		}
	}
}
