package kthena

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const scenario = `{"workload": "gsp-short", "policy": "kthena-default", "replicas": 2, "request_limit": 60, "runs": 1,
	"client": {"concurrency": 8}}`

// run advances to the end and returns report and rows.
func run(t *testing.T, maxEvents uint64) (report, rows []byte) {
	t.Helper()
	s := must(NewSimulation([]byte(scenario), nil))(t)
	defer s.Close()
	if ended, total := s.Progress(); ended != 0 || total != 60 {
		t.Errorf("%d of %d at first", ended, total)
	}
	_, err := s.ReportJSON()
	refused(t, err, ErrFailedPrecondition)
	_, err = s.RequestsCSV()
	refused(t, err, ErrFailedPrecondition)
	for !must(s.Advance(maxEvents))(t) {
	}
	if ended, total := s.Progress(); ended != 60 || total != 60 {
		t.Errorf("%d of %d at the end", ended, total)
	}
	return must(s.ReportJSON())(t), must(s.RequestsCSV())(t)
}

func TestSimulation(t *testing.T) {
	report, rows := run(t, 100)
	if !json.Valid(report) || bytes.Count(rows, []byte("\n")) != 61 {
		t.Errorf("report %s\nrows %s", report, rows)
	}
	again, rowsAgain := run(t, 1<<60)
	if !bytes.Equal(report, again) || !bytes.Equal(rows, rowsAgain) {
		t.Error("cutting the events up changed the report")
	}
}

func TestSimulationRefuses(t *testing.T) {
	_, err := NewSimulation([]byte(`{"workload": "gsp-short", "policy": "nobody", "replicas": 0}`), nil)
	refused(t, err, ErrInvalidArgument, "policy", "replicas")
	_, err = NewSimulation([]byte(`{"workload": {"trace": {"format": "mooncake-jsonl"}}, "policy": "random"}`), []byte(`{"timestamp": 0`))
	refused(t, err, ErrInvalidArgument, "line 1")
	closed := must(NewSimulation([]byte(scenario), nil))(t)
	closed.Close()
	for _, s := range []*Simulation{closed, {}, nil} {
		_, err := s.Advance(1)
		refused(t, err, ErrClosed)
		_, err = s.ReportJSON()
		refused(t, err, ErrClosed)
		_, err = s.RequestsCSV()
		refused(t, err, ErrClosed)
		if ended, total := s.Progress(); ended != 0 || total != 0 {
			t.Error("a closed simulation")
		}
		s.Close()
	}
}

func TestSimulationVectors(t *testing.T) {
	var reports, refusals int
	for _, v := range vectors(t, "sim") {
		t.Run(v.Name, func(t *testing.T) {
			s, err := NewSimulation(v.Scenario, []byte(v.Trace))
			if v.Expect == nil {
				refusals++
				refused(t, err, ErrInvalidArgument)
				rest := "; " + err.(*Error).Message
				for _, fault := range v.Faults {
					if !strings.HasPrefix(rest, "; "+fault) {
						t.Fatalf("%q is not at the beginning of %q", fault, rest)
					}
					rest = rest[len("; "+fault):]
					if next := strings.Index(rest, "; "); next >= 0 {
						rest = rest[next:]
					} else {
						rest = ""
					}
				}
				if rest != "" {
					t.Errorf("more faults than expected: %q", rest)
				}
				return
			}
			reports++
			ok(t, err)
			defer s.Close()
			for !must(s.Advance(1000))(t) {
			}
			if report := must(s.ReportJSON())(t); !bytes.Equal(report, v.Expect) {
				t.Errorf("got  %s\nwant %s", report, v.Expect)
			}
		})
	}
	if reports < 5 || refusals < 10 {
		t.Errorf("%d reports, %d refusals", reports, refusals)
	}
}
