package kthena

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type histogramDocument struct {
	Bounds     []*float64
	Cumulative []float64
	Count      float64
	Sum        *float64
}

type metricsVector struct {
	Name, Profile, Model, Text, File string
	Expect                           struct {
		Signals   map[string]float64
		Ranks     map[string]map[string]float64
		Latencies map[string]histogramDocument
		Adapters  *EngineAdapters
		Models    []string
		Counts    struct {
			Used, Other      *uint64
			Broken, Unusable uint64
			OtherModels      uint64 `json:"other_models"`
		}
	}
}

type eventDocument struct {
	Kind          string
	Tier          string
	Group         uint32
	FullAttention bool  `json:"full_attention"`
	Full          *bool // the vectors' name of it
	Parent        *uint64
	Hashes        []uint64
	Tokens        []uint32
	BlockTokens   uint32 `json:"block_tokens"`
	LoraID        *int64 `json:"lora_id"`
	LoraName      string `json:"lora_name"`
	Salt          string
	Extras        []any
}

type batchDocument struct {
	Name, Profile, Hex, Error string
	Events                    []eventDocument
	Timestamp                 *float64
	TimestampS                float64 `json:"timestamp_s"`
	Rank                      *uint32
	UnknownEvents             uint64 `json:"unknown_events"`
	UnknownFields             uint64 `json:"unknown_fields"`
	UnknownMedia              uint64 `json:"unknown_media"`
}

func engineFile(t *testing.T, name string) []byte {
	return must(os.ReadFile(filepath.Join("..", "..", "tests", "vectors", "engine", name)))(t)
}

func engineVectors[T any](t *testing.T, name string) []T {
	var document struct{ Cases []T }
	ok(t, json.Unmarshal(engineFile(t, name), &document))
	return document.Cases
}

// published returns the values that are, by name.
func published(values [EngineSignalCount]float64) map[string]float64 {
	found := map[string]float64{}
	for i, value := range values {
		if !math.IsNaN(value) {
			found[EngineSignal(i).String()] = value
		}
	}
	return found
}

func checkHistogram(t *testing.T, got Histogram, want histogramDocument) {
	t.Helper()
	bounds := make([]float64, len(want.Bounds))
	for i, bound := range want.Bounds {
		bounds[i] = math.Inf(1)
		if bound != nil {
			bounds[i] = *bound
		}
	}
	sum := want.Sum == nil && math.IsNaN(got.Sum) || want.Sum != nil && got.Sum == *want.Sum
	if !slices.Equal(got.Bounds, bounds) || !slices.Equal(got.Cumulative, want.Cumulative) || got.Count != want.Count || !sum {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEngineVectorsOfPages(t *testing.T) {
	all := engineVectors[metricsVector](t, "metrics.json")
	if len(all) < 30 {
		t.Fatalf("%d vectors", len(all))
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			page := []byte(v.Text)
			if v.File != "" {
				page = engineFile(t, v.File)
			}
			parser := must(NewEngineParser(v.Profile, EngineParserOptions{Model: v.Model}))(t)
			defer parser.Close()
			sample := NewEngineSample()
			defer sample.Close()
			counts := must(parser.Parse(page, 12345, sample))(t)
			if sample.SampledNS() != 12345 {
				t.Errorf("sampled at %d", sample.SampledNS())
			}
			if got := published(must(sample.Values(AllRanks))(t)); !reflect.DeepEqual(got, v.Expect.Signals) && len(got)+len(v.Expect.Signals) != 0 {
				t.Errorf("got %v, want %v", got, v.Expect.Signals)
			}
			if v.Expect.Ranks != nil && len(sample.Ranks()) != len(v.Expect.Ranks) {
				t.Errorf("ranks %v", sample.Ranks())
			}
			for rank, want := range v.Expect.Ranks {
				got := published(must(sample.Values(uint32(must(strconv.Atoi(rank))(t))))(t))
				for name, value := range want {
					if got[name] != value {
						t.Errorf("rank %s, %s: got %v, want %v", rank, name, got[name], value)
					}
				}
			}
			for i := range EngineLatency(EngineLatencyCount) {
				checkHistogram(t, must(sample.Histogram(AllRanks, i))(t), v.Expect.Latencies[i.String()].orEmpty())
			}
			adapters, listed := sample.Adapters()
			if listed != (v.Expect.Adapters != nil) {
				t.Errorf("adapters listed: %v", listed)
			} else if listed && !reflect.DeepEqual(adapters, *v.Expect.Adapters) {
				t.Errorf("got %v, want %v", adapters, *v.Expect.Adapters)
			}
			if got := sample.Models(); !slices.Equal(got, v.Expect.Models) {
				t.Errorf("models %v", got)
			}
			want := v.Expect.Counts
			if counts.Broken != want.Broken || counts.Unusable != want.Unusable || counts.OtherModels != want.OtherModels ||
				want.Used != nil && counts.Used != *want.Used || want.Other != nil && counts.Other != *want.Other ||
				counts.Lines != counts.Used+counts.Other+counts.Broken+counts.Unusable+counts.OtherModels {
				t.Errorf("counts %+v", counts)
			}
			var document struct{ Signals map[string]float64 }
			ok(t, json.Unmarshal(must(sample.JSON())(t), &document))
			if !reflect.DeepEqual(document.Signals, published(must(sample.Values(AllRanks))(t))) {
				t.Errorf("document %v", document)
			}
		})
	}
}

// orEmpty is what a histogram looks like that is not published.
func (h histogramDocument) orEmpty() histogramDocument {
	if h.Bounds == nil {
		h.Sum = new(float64)
	}
	return h
}

func TestEngineVectorsOfBatches(t *testing.T) {
	all := engineVectors[batchDocument](t, "kv_batches.json")
	if len(all) < 140 {
		t.Fatalf("%d vectors", len(all))
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			payload := must(hex.DecodeString(v.Hex))(t)
			index := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 2, Seed: 3}))(t)
			defer index.Close()
			stream := must(NewKvStream(v.Profile, KvStreamOptions{Worker: must(index.AddWorker("w"))(t)}))(t)
			defer stream.Close()
			next := must(stream.Info())(t).NextSequence
			if v.Error != "" {
				_, err := KvBatchJSON(v.Profile, payload)
				refused(t, err, ErrInvalidArgument, "byte ", v.Error)
				_, err = stream.Feed(next, payload, index)
				refused(t, err, ErrInvalidArgument, "byte ", v.Error)
				return
			}
			var got batchDocument
			ok(t, json.Unmarshal(must(KvBatchJSON(v.Profile, payload))(t), &got))
			if len(got.Events) != len(v.Events) {
				t.Fatalf("%d events", len(got.Events))
			}
			for i, want := range v.Events {
				event := got.Events[i]
				if want.Kind != "cleared" {
					want.FullAttention = want.Full == nil || *want.Full
					want.Full = nil
					if want.Tier == "" {
						want.Tier = "device"
					}
				}
				if len(event.Extras) != len(want.Extras) {
					t.Errorf("extras %v", event.Extras)
				}
				for k, extra := range event.Extras {
					if (extra != 0.0) != want.Extras[k].(bool) {
						t.Errorf("extras %v", event.Extras)
					}
				}
				event.Extras, want.Extras = nil, nil
				if len(event.Tokens)+len(want.Tokens) == 0 {
					event.Tokens, want.Tokens = nil, nil
				}
				if len(event.Hashes)+len(want.Hashes) == 0 {
					event.Hashes, want.Hashes = nil, nil
				}
				if !reflect.DeepEqual(event, want) {
					t.Errorf("got  %+v\nwant %+v", event, want)
				}
			}
			if v.Timestamp != nil && got.TimestampS != *v.Timestamp || !reflect.DeepEqual(got.Rank, v.Rank) ||
				got.UnknownEvents != v.UnknownEvents || got.UnknownFields != v.UnknownFields || got.UnknownMedia != v.UnknownMedia {
				t.Errorf("got %+v", got)
			}
			step := must(stream.Feed(next, payload, index))(t)
			if step.Outcome != KvApplied || step.UnknownEvents != v.UnknownEvents || step.UnknownFields != v.UnknownFields ||
				step.UnknownMedia != v.UnknownMedia {
				t.Errorf("step %+v", step)
			}
		})
	}
}

func ttftPage(finished, fast, slow int, sum string) []byte {
	const name = "\nvllm:time_to_first_token_seconds"
	f, all := strconv.Itoa(fast), strconv.Itoa(fast+slow)
	return []byte("vllm:request_success_total " + strconv.Itoa(finished) + name + "_bucket{le=\"0.1\"} " + f + name + "_bucket{le=\"0.5\"} " +
		all + name + "_bucket{le=\"+Inf\"} " + all + name + "_sum " + sum + name + "_count " + all + "\n")
}

func TestInterval(t *testing.T) {
	before := must(ParseMetrics(ttftPage(100, 90, 10, "12"), "vllm", 1e9))(t)
	defer before.Close()
	now := must(ParseMetrics(ttftPage(110, 95, 15, "14"), "vllm", 3e9))(t)
	defer now.Close()
	interval := must(Interval(before, now))(t)
	ttft := &interval.Latencies[EngineTTFT]
	if interval.ElapsedNS != 2e9 || interval.Restarted || interval.Growth[EngineFinished] != 10 || !math.IsNaN(interval.Growth[EngineWaiting]) ||
		ttft.Count != 10 || math.Abs(ttft.Mean()-0.2) > 1e-12 || math.Abs(ttft.Quantile(0.9)-(0.1+0.4*0.8)) > 1e-12 {
		t.Errorf("%+v", interval)
	}
	if !math.IsNaN(interval.Latencies[EngineITL].Mean()) || !math.IsNaN(interval.Latencies[EngineITL].Quantile(0.5)) {
		t.Error("a latency that is not published")
	}
	back := must(Interval(now, before))(t)
	start := must(Interval(nil, now))(t)
	if !back.Restarted || back.Growth[EngineFinished] != 100 || start.Restarted || start.Growth[EngineFinished] != 110 {
		t.Errorf("%+v, %+v", back, start)
	}
	var document struct {
		Latencies map[string]struct{ P90 float64 }
	}
	ok(t, json.Unmarshal(must(IntervalJSON(before, now))(t), &document))
	if document.Latencies["ttft_s"].P90 != ttft.Quantile(0.9) {
		t.Errorf("%+v", document)
	}
}

func TestEngineRefuses(t *testing.T) {
	_, err := ParseMetrics(nil, "VLLM", 0)
	refused(t, err, ErrNotFound, "none is called 'VLLM'; there are vllm, vllm-v0, ")
	_, err = ParseMetrics([]byte("<html>"), "vllm", 0)
	refused(t, err, ErrInvalidArgument)
	_, err = NewEngineParser("vllm", EngineParserOptions{MaxRanks: 70000})
	refused(t, err, ErrInvalidArgument, "max_ranks")
	_, err = NewKvStream("tgi", KvStreamOptions{})
	refused(t, err, ErrFailedPrecondition)
	sample := must(ParseMetrics([]byte("vllm:num_requests_waiting 0\n"), "vllm", 0))(t)
	_, err = sample.Values(3)
	refused(t, err, ErrNotFound, "no rank 3")
	_, err = sample.Histogram(AllRanks, 9)
	refused(t, err, ErrInvalidArgument, "no latency 9")
	_, _, err = ReadKvMessage([][]byte{{1}})
	refused(t, err, ErrInvalidArgument, "1 where at least 2 are needed")
	_, _, err = ReadKvMessage([][]byte{{1}, {2}})
	refused(t, err, ErrInvalidArgument, "1 bytes where a sequence number has 8")
	sequence, payload, err := ReadKvMessage([][]byte{[]byte("topic"), {0, 0, 0, 0, 0, 0, 1, 2}, {9}})
	ok(t, err)
	if sequence != 258 || len(payload) != 1 {
		t.Errorf("%d, %v", sequence, payload)
	}
	var profiles []struct{ Name string }
	ok(t, json.Unmarshal(must(EngineProfilesJSON())(t), &profiles))
	if len(profiles) != 9 || profiles[0].Name != "vllm" {
		t.Errorf("%v", profiles)
	}

	sample.Close()
	_, err = sample.Values(AllRanks)
	refused(t, err, ErrClosed)
	_, err = sample.JSON()
	refused(t, err, ErrClosed)
	_, err = Interval(nil, sample)
	refused(t, err, ErrClosed)
	if len(sample.Ranks())+len(sample.Models()) != 0 || sample.SampledNS() != NeverSampled {
		t.Error("a closed sample")
	}
	var stream *KvStream
	_, err = stream.Feed(0, nil, nil)
	refused(t, err, ErrClosed)
	_, err = stream.ReplayFailed(nil)
	refused(t, err, ErrClosed)
	_, err = stream.Info()
	refused(t, err, ErrClosed)
	var parser *EngineParser
	_, err = parser.Parse(nil, 0, sample)
	refused(t, err, ErrClosed)
	parser.Close()
	stream.Close()
	for _, name := range []string{EngineSignal(99).String(), EngineLatency(99).String(), KvOutcome(99).String(), KvState(99).String()} {
		if !strings.HasSuffix(name, "(99)") {
			t.Error(name)
		}
	}
}

// pack writes msgpack, enough for events.
func pack(to []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(to, 0xc0)
	case int:
		return binary.BigEndian.AppendUint64(append(to, 0xcf), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(to, 0xcb), math.Float64bits(v))
	case string:
		return append(append(to, 0xd9, byte(len(v))), v...)
	case []any:
		to = binary.BigEndian.AppendUint32(append(to, 0xdd), uint32(len(v)))
		for _, each := range v {
			to = pack(to, each)
		}
		return to
	}
	panic("pack")
}

func list[T ~int | ~uint32](values ...T) []any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = int(value)
	}
	return all
}

// kvStored is vLLM's array form.
func kvStored(hashes []any, tokens []uint32, parent any) any {
	return []any{"BlockStored", hashes, parent, list(tokens...), 4, nil, "GPU", nil}
}

func kvBatch(timestamp float64, events ...any) []byte {
	return pack(nil, []any{timestamp, events, 0})
}

func TestKvStream(t *testing.T) {
	index := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 4, Seed: 11}))(t)
	defer index.Close()
	worker := must(index.AddWorker("pod-a"))(t)
	stream := must(NewKvStream("vllm", KvStreamOptions{Worker: worker, Model: "m"}))(t)
	defer stream.Close()
	query := must(index.NewQuery(space))(t)
	defer query.Close()
	prompt := tokens(12)
	ok(t, query.ExtendTokens(prompt))
	depth := func() uint32 { return depths(t, index, query)[worker] }

	step := must(stream.Feed(0, kvBatch(10, kvStored(list(1, 2), prompt[:8], nil)), index))(t)
	if step != (KvStep{Outcome: KvApplied, State: KvLive, StoredBlocks: 2}) || depth() != 2 {
		t.Errorf("%+v, depth %d", step, depth())
	}
	second := kvBatch(11, kvStored(list(3), prompt[8:], 2))
	third := kvBatch(12, []any{"BlockRemoved", list(2), "GPU"})
	step = must(stream.Feed(2, third, index))(t)
	if step != (KvStep{Outcome: KvHeldBack, State: KvCatchingUp, WantsReplay: true, ReplayFrom: 1, ReplayTo: 2}) {
		t.Errorf("%+v", step)
	}
	step = must(stream.FeedReplay(1, second, index))(t)
	if step.StoredBlocks != 1 || depth() != 3 {
		t.Errorf("%+v, depth %d", step, depth())
	}
	step = must(stream.FeedReplay(2, third, index))(t)
	if step.RemovedBlocks != 1 || step.State != KvLive || depth() != 1 {
		t.Errorf("%+v, depth %d", step, depth())
	}
	if step = must(stream.FeedReplay(KvReplayEnd, nil, index))(t); step.Outcome != KvEnded {
		t.Errorf("%+v", step)
	}
	if step = must(stream.Feed(2, third, index))(t); step.Outcome != KvDuplicate {
		t.Errorf("%+v", step)
	}
	_, err := stream.Feed(3, third[:9], index)
	refused(t, err, ErrInvalidArgument, "byte ")
	if step = must(stream.Feed(7, kvBatch(17), index))(t); !step.WantsReplay {
		t.Errorf("%+v", step)
	}
	if step = must(stream.ReplayFailed(index))(t); !step.Cleared || step.Clears != 1 || depth() != 0 {
		t.Errorf("%+v, depth %d", step, depth())
	}
	want := KvStreamInfo{State: KvLive, NextSequence: 8, Applied: 3, Duplicates: 1, HeldBack: 2, Gaps: 2, Lost: 1, Malformed: 1}
	if info := must(stream.Info())(t); info != want {
		t.Errorf("%+v", info)
	}
	other := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 8, Seed: 11}))(t)
	defer other.Close()
	_, err = stream.Feed(8, second, other)
	refused(t, err, ErrInvalidArgument, "another block size, seed or width")
	rank := uint32(3)
	strict := must(NewKvStream("vllm", KvStreamOptions{Worker: worker, Rank: &rank, NoReplay: true}))(t)
	defer strict.Close()
	_, err = strict.Feed(0, second, index)
	refused(t, err, ErrInvalidArgument, "0 in the stream of rank 3")
}

func TestFeedAndParseAllocateNothing(t *testing.T) {
	index := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 4, Seed: 11}))(t)
	defer index.Close()
	stream := must(NewKvStream("vllm", KvStreamOptions{Worker: must(index.AddWorker("w"))(t)}))(t)
	defer stream.Close()
	payload := kvBatch(1, kvStored(list(1, 2), tokens(8), nil))
	var sequence uint64
	allocations := testing.AllocsPerRun(200, func() {
		step, err := stream.Feed(sequence, payload, index)
		if err != nil || step.Outcome != KvApplied {
			t.Error("refused")
		}
		sequence++
	})
	if allocations != 0 {
		t.Errorf("Feed: %v allocations", allocations)
	}
	parser := must(NewEngineParser("vllm", EngineParserOptions{}))(t)
	defer parser.Close()
	sample := NewEngineSample()
	defer sample.Close()
	page := engineFile(t, "vllm_busy.txt")
	allocations = testing.AllocsPerRun(50, func() {
		if _, err := parser.Parse(page, 1, sample); err != nil {
			t.Error("refused")
		}
	})
	if allocations != 0 {
		t.Errorf("Parse: %v allocations", allocations)
	}
}

func BenchmarkKvStreamFeed(b *testing.B) {
	index := must(NewPrefixIndex(PrefixIndexOptions{BlockTokens: 4, Seed: 11}))(b)
	defer index.Close()
	stream := must(NewKvStream("vllm", KvStreamOptions{Worker: must(index.AddWorker("w"))(b)}))(b)
	defer stream.Close()
	payload := kvBatch(1, kvStored(list(1, 2), tokens(8), nil))
	b.ReportAllocs()
	for sequence := uint64(0); b.Loop(); sequence++ {
		if _, err := stream.Feed(sequence, payload, index); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEngineParse(b *testing.B) {
	parser := must(NewEngineParser("vllm", EngineParserOptions{}))(b)
	defer parser.Close()
	sample := NewEngineSample()
	defer sample.Close()
	page := must(os.ReadFile(filepath.Join("..", "..", "tests", "vectors", "engine", "vllm_busy.txt")))(b)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parser.Parse(page, 1, sample); err != nil {
			b.Fatal(err)
		}
	}
}
