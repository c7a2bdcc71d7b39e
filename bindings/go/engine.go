package kthena

/*
#cgo noescape kthena_go_feed
#cgo nocallback kthena_go_feed
#cgo noescape kthena_go_parse
#cgo nocallback kthena_go_parse

#include "kthena/kthena.h"

// A struct that holds Go pointers may not go to C, so what it holds goes one by one.
static inline kthena_status kthena_go_feed(kthena_kv_stream* stream, uint64_t sequence, const char* payload, size_t size, int replay,
                                           kthena_prefix_index* index, kthena_kv_step* step, kthena_error* error) {
  kthena_str bytes = {payload, size};
  step->struct_size = (uint32_t)sizeof *step;
  return replay ? kthena_kv_stream_feed_replay(stream, sequence, bytes, index, step, error)
                : kthena_kv_stream_feed(stream, sequence, bytes, index, step, error);
}

static inline kthena_status kthena_go_parse(kthena_engine_parser* parser, const char* text, size_t size, int64_t sampled_ns,
                                            kthena_engine_sample* sample, kthena_engine_counts* counts, kthena_error* error) {
  kthena_str bytes = {text, size};
  counts->struct_size = (uint32_t)sizeof *counts;
  return kthena_engine_parse(parser, bytes, sampled_ns, sample, counts, error);
}

static inline kthena_status kthena_go_parser_create(const char* profile, size_t profile_size, const char* model, size_t model_size,
                                                    uint32_t max_ranks, uint64_t max_bytes, kthena_engine_parser** parser,
                                                    kthena_error* error) {
  kthena_str name = {profile, profile_size};
  kthena_engine_parser_options options = KTHENA_INIT(kthena_engine_parser_options);
  options.model.data = model;
  options.model.size = model_size;
  options.max_ranks = max_ranks;
  options.max_bytes = max_bytes;
  return kthena_engine_parser_create(name, &options, parser, error);
}

static inline kthena_status kthena_go_stream_create(const char* profile, size_t profile_size, const char* model, size_t model_size,
                                                    uint32_t worker, uint32_t group, uint32_t no_replay, uint32_t has_rank,
                                                    uint32_t rank, uint64_t max_bytes, uint64_t max_tracked_blocks,
                                                    kthena_kv_stream** stream, kthena_error* error) {
  kthena_str name = {profile, profile_size};
  kthena_kv_stream_options options = KTHENA_INIT(kthena_kv_stream_options);
  options.worker = worker;
  options.model.data = model;
  options.model.size = model_size;
  options.group = group;
  options.no_replay = no_replay;
  options.has_rank = has_rank;
  options.rank = rank;
  options.max_bytes = max_bytes;
  options.max_tracked_blocks = max_tracked_blocks;
  return kthena_kv_stream_create(name, &options, stream, error);
}

static inline double kthena_go_quantile(const double* bounds, const double* cumulative, size_t n, double count, double q) {
  kthena_histogram histogram = KTHENA_INIT(kthena_histogram);
  histogram.size = (uint32_t)n;
  histogram.bounds = bounds;
  histogram.cumulative = cumulative;
  histogram.count = count;
  return kthena_histogram_quantile(&histogram, q);
}
*/
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"unsafe"
)

// EngineSignal is something that an engine's metrics page says. "Ever": a counter that grows while the engine runs.
type EngineSignal int32

// The signals.
const (
	EngineRunning               EngineSignal = C.KTHENA_ENGINE_RUNNING                 // requests in the batch
	EngineWaiting               EngineSignal = C.KTHENA_ENGINE_WAITING                 // requests in the queue
	EngineKvUsage               EngineSignal = C.KTHENA_ENGINE_KV_USAGE                // share of KV blocks in use, 0..1
	EngineKvUsedBlocks          EngineSignal = C.KTHENA_ENGINE_KV_USED_BLOCKS          // KV blocks in use
	EngineKvTotalBlocks         EngineSignal = C.KTHENA_ENGINE_KV_TOTAL_BLOCKS         // KV blocks there are
	EngineKvTotalTokens         EngineSignal = C.KTHENA_ENGINE_KV_TOTAL_TOKENS         // tokens that fit into the KV cache
	EngineBlockTokens           EngineSignal = C.KTHENA_ENGINE_BLOCK_TOKENS            // tokens per KV block
	EngineHitRate               EngineSignal = C.KTHENA_ENGINE_HIT_RATE                // share of prompt tokens that were cached, 0..1, over a time of the engine's choice
	EnginePrefixHits            EngineSignal = C.KTHENA_ENGINE_PREFIX_HITS             // ever: prompt tokens found in the engine's own cache
	EnginePrefixQueries         EngineSignal = C.KTHENA_ENGINE_PREFIX_QUERIES          // ever: prompt tokens looked up there
	EngineExternalPrefixHits    EngineSignal = C.KTHENA_ENGINE_EXTERNAL_PREFIX_HITS    // ever: prompt tokens fetched from a cache outside the engine
	EngineExternalPrefixQueries EngineSignal = C.KTHENA_ENGINE_EXTERNAL_PREFIX_QUERIES // ever: prompt tokens looked up there
	EnginePromptTokens          EngineSignal = C.KTHENA_ENGINE_PROMPT_TOKENS           // ever
	EngineGenerationTokens      EngineSignal = C.KTHENA_ENGINE_GENERATION_TOKENS       // ever
	EnginePreemptions           EngineSignal = C.KTHENA_ENGINE_PREEMPTIONS             // ever: running requests sent back to the queue
	EngineFinished              EngineSignal = C.KTHENA_ENGINE_FINISHED                // ever: requests that ended, for whatever reason

	EngineSignalCount = C.KTHENA_ENGINE_SIGNAL_COUNT
)

var engineSignalNames = [EngineSignalCount]string{"running", "waiting", "kv_usage", "kv_used_blocks", "kv_total_blocks", "kv_total_tokens",
	"block_tokens", "hit_rate", "prefix_hits", "prefix_queries", "external_prefix_hits", "external_prefix_queries", "prompt_tokens",
	"generation_tokens", "preemptions", "finished"}

// String returns the name that documents use, "EngineSignal(n)" for a number that is none.
func (s EngineSignal) String() string {
	if s >= 0 && int(s) < len(engineSignalNames) {
		return engineSignalNames[s]
	}
	return "EngineSignal(" + strconv.Itoa(int(s)) + ")"
}

// EngineLatency is a latency, in seconds, of which engines publish a histogram.
type EngineLatency int32

// The latencies.
const (
	EngineTTFT  EngineLatency = C.KTHENA_ENGINE_TTFT_S  // from arrival to the first token
	EngineITL   EngineLatency = C.KTHENA_ENGINE_ITL_S   // between two output tokens of a request
	EngineE2E   EngineLatency = C.KTHENA_ENGINE_E2E_S   // from arrival to the end
	EngineQueue EngineLatency = C.KTHENA_ENGINE_QUEUE_S // from arrival into the batch

	EngineLatencyCount = C.KTHENA_ENGINE_LATENCY_COUNT
)

// String returns the name that documents use, "EngineLatency(n)" for a number that is none.
func (l EngineLatency) String() string {
	switch l {
	case EngineTTFT:
		return "ttft_s"
	case EngineITL:
		return "itl_s"
	case EngineE2E:
		return "e2e_s"
	case EngineQueue:
		return "queue_s"
	}
	return "EngineLatency(" + strconv.Itoa(int(l)) + ")"
}

// AllRanks stands for all data-parallel ranks of an engine, joined.
const AllRanks uint32 = C.KTHENA_NONE

// EngineProfilesJSON returns the names of the engines that are known with what each publishes, as a JSON array. Any goroutine.
func EngineProfilesJSON() ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_engine_profiles_json(buffer, capacity, needed, e)
	})
}

// Histogram has counts of observations: Cumulative[i] were <= Bounds[i] seconds. Both ascend; the last bound may be infinite.
type Histogram struct {
	Bounds     []float64
	Cumulative []float64
	Count      float64 // all observations; 0 without buckets: not published
	Sum        float64 // of the observed values; NaN when it is not published
}

// Mean returns the mean of the observed values, NaN when there are none.
func (h *Histogram) Mean() float64 {
	if h.Count > 0 {
		return h.Sum / h.Count
	}
	return math.NaN()
}

// Quantile returns the value below which a share q (0..1) lies, linear inside a bucket; NaN when nothing was observed.
func (h *Histogram) Quantile(q float64) float64 {
	if len(h.Bounds) != len(h.Cumulative) {
		return math.NaN()
	}
	return float64(C.kthena_go_quantile(float64s(h.Bounds), float64s(h.Cumulative), C.size_t(len(h.Bounds)), C.double(h.Count), C.double(q)))
}

// copyHistogram copies what C lends.
func copyHistogram(c *C.kthena_histogram) Histogram {
	n := int(c.size)
	return Histogram{
		Bounds:     slices.Clone(unsafe.Slice((*float64)(unsafe.Pointer(c.bounds)), n)),
		Cumulative: slices.Clone(unsafe.Slice((*float64)(unsafe.Pointer(c.cumulative)), n)),
		Count:      float64(c.count),
		Sum:        float64(c.sum),
	}
}

func newHistogram() C.kthena_histogram {
	return C.kthena_histogram{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_histogram{}))}
}

// EngineParserOptions are the options of an EngineParser. The zero value has all defaults.
type EngineParserOptions struct {
	Model    string // only series of this served model, and those that name none; "": all
	MaxRanks uint32 // data-parallel ranks that are kept apart, 1..65536; 0: 1024
	MaxBytes uint64 // longest text, 1..2^31; 0: 16 MiB
}

// EngineParser reads metrics pages of one kind of engine. One goroutine at a time.
type EngineParser struct {
	handle handle[*C.kthena_engine_parser]
	e      *C.kthena_error // so that Parse allocates nothing
}

func freeEngineParser(c *C.kthena_engine_parser) { C.kthena_engine_parser_free(c) }

// NewEngineParser makes a parser. profile says which engine it is, "vllm" (EngineProfilesJSON has all); ErrNotFound for another. Any
// goroutine.
func NewEngineParser(profile string, options EngineParserOptions) (*EngineParser, error) {
	var c *C.kthena_engine_parser
	e := newError()
	status := C.kthena_go_parser_create(chars(profile), C.size_t(len(profile)), chars(options.Model), C.size_t(len(options.Model)),
		C.uint32_t(options.MaxRanks), C.uint64_t(options.MaxBytes), &c, e)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	p := &EngineParser{e: e}
	own(p, &p.handle, c, freeEngineParser)
	return p, nil
}

// Close frees the parser.
func (p *EngineParser) Close() {
	if p != nil {
		p.handle.close(freeEngineParser)
	}
}

func (p *EngineParser) open() bool { return p != nil && p.handle.c != nil }

// EngineCounts says what became of the lines of a page.
type EngineCounts struct {
	Lines       uint64 // without empty ones; the sum of those below but OverLimits
	Used        uint64 // samples that the profile names
	Other       uint64 // comments and other metrics
	Broken      uint64 // not in the format
	Unusable    uint64 // values that cannot be: NaN, infinite, negative, too large
	OtherModels uint64 // of models that were not asked for
	OverLimits  uint64 // ranks or buckets beyond the limits
}

// Parse reads a page, scraped at sampledNS, into a sample, which is overwritten. Broken lines and values that cannot be are counted and
// skipped; only a text without any line of the format is ErrInvalidArgument, and leaves the sample as it was. It allocates nothing once
// parser and sample have grown.
func (p *EngineParser) Parse(page []byte, sampledNS int64, sample *EngineSample) (EngineCounts, error) {
	if !p.open() || !sample.open() {
		return EngineCounts{}, ErrClosed
	}
	var c C.kthena_engine_counts
	status := C.kthena_go_parse(p.handle.c, (*C.char)(unsafe.Pointer(unsafe.SliceData(page))), C.size_t(len(page)), C.int64_t(sampledNS),
		sample.handle.c, &c, p.e)
	runtime.KeepAlive(p)
	runtime.KeepAlive(sample)
	if status != C.KTHENA_OK {
		return EngineCounts{}, toError(status, p.e)
	}
	return EngineCounts{
		Lines:       uint64(c.lines),
		Used:        uint64(c.used),
		Other:       uint64(c.other),
		Broken:      uint64(c.broken),
		Unusable:    uint64(c.unusable),
		OtherModels: uint64(c.other_models),
		OverLimits:  uint64(c.over_limits),
	}, nil
}

// ParseMetrics reads one page, once. Any goroutine.
func ParseMetrics(page []byte, profile string, sampledNS int64) (*EngineSample, error) {
	parser, err := NewEngineParser(profile, EngineParserOptions{})
	if err != nil {
		return nil, err
	}
	defer parser.Close()
	sample := NewEngineSample()
	if _, err := parser.Parse(page, sampledNS, sample); err != nil {
		sample.Close()
		return nil, err
	}
	return sample, nil
}

// EngineSample is what one engine said at one moment. Any number of goroutines may read it while none parses into it.
type EngineSample struct {
	handle handle[*C.kthena_engine_sample]
}

func freeEngineSample(c *C.kthena_engine_sample) { C.kthena_engine_sample_free(c) }

// NewEngineSample makes an empty one. Any goroutine.
func NewEngineSample() *EngineSample {
	s := &EngineSample{}
	if c := C.kthena_engine_sample_create(); c != nil { // nil: out of memory; Parse will refuse it
		own(s, &s.handle, c, freeEngineSample)
	}
	return s
}

// Close frees the sample.
func (s *EngineSample) Close() {
	if s != nil {
		s.handle.close(freeEngineSample)
	}
}

func (s *EngineSample) open() bool { return s != nil && s.handle.c != nil }

func (s *EngineSample) info() C.kthena_engine_sample_info {
	info := C.kthena_engine_sample_info{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_engine_sample_info{})),
		sampled_ns: C.KTHENA_NEVER}
	if s.open() {
		C.kthena_engine_sample_get_info(s.handle.c, &info, nil)
		runtime.KeepAlive(s)
	}
	return info
}

// SampledNS returns when the page was scraped; NeverSampled before the first.
func (s *EngineSample) SampledNS() int64 { return int64(s.info().sampled_ns) }

// Ranks returns the numbers of the data-parallel ranks, ascending. Engines without ranks have one, number 0.
func (s *EngineSample) Ranks() []uint32 {
	ranks := make([]uint32, s.info().ranks)
	if s.open() {
		C.kthena_engine_sample_ranks(s.handle.c, uint32s(ranks), C.size_t(len(ranks)))
		runtime.KeepAlive(s)
	}
	return ranks
}

// Values returns all signals of a rank, or of AllRanks joined, by EngineSignal: NaN where not published, which is not 0. ErrNotFound
// without that rank.
func (s *EngineSample) Values(rank uint32) (values [EngineSignalCount]float64, err error) {
	if !s.open() {
		return values, ErrClosed
	}
	e := newError()
	status := C.kthena_engine_sample_values(s.handle.c, C.uint32_t(rank), (*C.double)(&values[0]), C.size_t(len(values)), e)
	runtime.KeepAlive(s)
	return values, toError(status, e)
}

// Histogram returns a latency of a rank, or of AllRanks joined, since the engine started.
func (s *EngineSample) Histogram(rank uint32, latency EngineLatency) (Histogram, error) {
	if !s.open() {
		return Histogram{}, ErrClosed
	}
	c := newHistogram()
	e := newError()
	status := C.kthena_engine_sample_histogram(s.handle.c, C.uint32_t(rank), C.int32_t(latency), &c, e)
	if err := toError(status, e); err != nil {
		return Histogram{}, err
	}
	defer runtime.KeepAlive(s)
	return copyHistogram(&c), nil
}

func (s *EngineSample) names(kind C.int32_t, n C.uint64_t) []string {
	names := make([]string, n)
	for i := range names {
		name := C.kthena_engine_sample_name(s.handle.c, kind, C.size_t(i))
		names[i] = C.GoStringN(name.data, C.int(name.size))
	}
	runtime.KeepAlive(s)
	return names
}

// Models returns the names of the served models, ascending, as far as series carry one.
func (s *EngineSample) Models() []string { return s.names(C.KTHENA_ENGINE_MODEL, s.info().models) }

// EngineAdapters has adapters by name, ascending. One that runs and waits is in both.
type EngineAdapters struct {
	Maximum float64 // adapters at once; NaN: not published
	Running []string
	Waiting []string
}

// Adapters returns the adapters, and whether the engine lists them.
func (s *EngineSample) Adapters() (adapters EngineAdapters, listed bool) {
	info := s.info()
	if info.has_adapters == 0 {
		return EngineAdapters{Maximum: math.NaN()}, false
	}
	return EngineAdapters{
		Maximum: float64(info.adapters_maximum),
		Running: s.names(C.KTHENA_ENGINE_ADAPTER_RUNNING, info.adapters_running),
		Waiting: s.names(C.KTHENA_ENGINE_ADAPTER_WAITING, info.adapters_waiting),
	}, true
}

// JSON returns the whole sample (docs/schemas/engine_sample.schema.json).
func (s *EngineSample) JSON() ([]byte, error) {
	if !s.open() {
		return nil, ErrClosed
	}
	defer runtime.KeepAlive(s)
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_engine_sample_json(s.handle.c, buffer, capacity, needed, e)
	})
}

// EngineInterval is what happened between two samples of one engine, rank by rank, then joined.
type EngineInterval struct {
	ElapsedNS int64                         // 0 where a time is not known
	Restarted bool                          // a counter fell, or a histogram: that rank's later values count from zero
	Growth    [EngineSignalCount]float64    // of the counters; NaN for gauges and where the later sample misses it
	Latencies [EngineLatencyCount]Histogram // what was observed in between
}

// withInterval calls use with the interval from before to now.
func withInterval(before, now *EngineSample, use func(c *C.kthena_engine_interval) error) error {
	if before != nil && !before.open() || !now.open() {
		return ErrClosed
	}
	var from *C.kthena_engine_sample
	if before != nil {
		from = before.handle.c
	}
	var c *C.kthena_engine_interval
	e := newError()
	status := C.kthena_engine_interval_create(from, now.handle.c, &c, e)
	runtime.KeepAlive(before)
	runtime.KeepAlive(now)
	if err := toError(status, e); err != nil {
		return err
	}
	defer C.kthena_engine_interval_free(c)
	return use(c)
}

// Interval returns what happened from before to now; before nil: since the engine started. Reads both.
func Interval(before, now *EngineSample) (interval EngineInterval, err error) {
	err = withInterval(before, now, func(c *C.kthena_engine_interval) error {
		e := newError()
		var elapsed C.int64_t
		var restarted C.uint8_t
		status := C.kthena_engine_interval_values(c, (*C.double)(&interval.Growth[0]), EngineSignalCount, &elapsed, &restarted, e)
		if err := toError(status, e); err != nil {
			return err
		}
		interval.ElapsedNS = int64(elapsed)
		interval.Restarted = restarted != 0
		for i := range interval.Latencies {
			histogram := newHistogram()
			if err := toError(C.kthena_engine_interval_histogram(c, C.int32_t(i), &histogram, e), e); err != nil {
				return err
			}
			interval.Latencies[i] = copyHistogram(&histogram)
		}
		return nil
	})
	return interval, err
}

// IntervalJSON is Interval as a document, with means and quantiles (docs/schemas/engine_interval.schema.json).
func IntervalJSON(before, now *EngineSample) (document []byte, err error) {
	err = withInterval(before, now, func(c *C.kthena_engine_interval) error {
		document, err = text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
			return C.kthena_engine_interval_json(c, buffer, capacity, needed, e)
		})
		return err
	})
	return document, err
}

// KvReplayEnd is the sequence number that ends a replay.
const KvReplayEnd uint64 = C.KTHENA_KV_REPLAY_END

// KvStreamOptions are the options of a KvStream. The zero value has all defaults.
type KvStreamOptions struct {
	Worker           Worker  // of the index: who publishes
	Model            string  // served model, for the namespace; adapter and cache salt come from the events
	Group            uint32  // the KV cache group that is indexed, if it is a full-attention one
	NoReplay         bool    // the publisher answers no replay; then a gap is at once one that cannot be filled
	Rank             *uint32 // batches of another data-parallel rank are refused; nil: not looked at
	MaxBytes         uint64  // longest payload, 1..2^31; 0: 16 MiB
	MaxTrackedBlocks uint64  // blocks that must be remembered beside the index; 0: 4194304
}

// KvOutcome is what a message came to.
type KvOutcome int32

// The outcomes.
const (
	KvApplied   KvOutcome = C.KTHENA_KV_APPLIED
	KvDuplicate KvOutcome = C.KTHENA_KV_DUPLICATE // came before; dropped
	KvHeldBack  KvOutcome = C.KTHENA_KV_HELD_BACK // lies behind a gap; the replay brings it again
	KvEnded     KvOutcome = C.KTHENA_KV_ENDED     // it was the end of a replay, or none came
)

// String returns the name, "KvOutcome(n)" for a number that is none.
func (o KvOutcome) String() string {
	switch o {
	case KvApplied:
		return "applied"
	case KvDuplicate:
		return "duplicate"
	case KvHeldBack:
		return "held back"
	case KvEnded:
		return "ended"
	}
	return "KvOutcome(" + strconv.Itoa(int(o)) + ")"
}

// KvState is where a stream stands.
type KvState int32

// The states.
const (
	KvWaiting    KvState = C.KTHENA_KV_WAITING     // nothing was seen yet
	KvLive       KvState = C.KTHENA_KV_LIVE        // the index has everything that was published
	KvCatchingUp KvState = C.KTHENA_KV_CATCHING_UP // a gap is open: the index is stale until it is filled or given up
)

// String returns the name, "KvState(n)" for a number that is none.
func (s KvState) String() string {
	switch s {
	case KvWaiting:
		return "waiting"
	case KvLive:
		return "live"
	case KvCatchingUp:
		return "catching up"
	}
	return "KvState(" + strconv.Itoa(int(s)) + ")"
}

// KvStep is what became of a message. Counts are of this message; blocks are the index's.
type KvStep struct {
	Outcome       KvOutcome
	State         KvState // of the stream after it
	Cleared       bool    // the index was first told that the worker holds nothing: it restarted, or batches are lost
	WantsReplay   bool    // ask the publisher for its batches from ReplayFrom on, and give the answers to FeedReplay
	ReplayFrom    uint64
	ReplayTo      uint64 // the last that is missing
	StoredBlocks  uint64
	RemovedBlocks uint64
	Clears        uint64
	UnknownEvents uint64
	UnknownFields uint64
	UnknownMedia  uint64 // taken for external
	OtherGroups   uint64 // events of KV cache groups that are not indexed
	Unmapped      uint64 // engine blocks that fit no block of the index: size, parent, no tokens
	OverLimits    uint64 // engine blocks beyond MaxTrackedBlocks
	Refused       uint64 // events that the index refused; the others were applied
}

// KvStreamInfo has counts of a KvStream since it was made.
type KvStreamInfo struct {
	State         KvState
	NextSequence  uint64 // of the batch that is applied next
	Applied       uint64 // batches
	Duplicates    uint64
	HeldBack      uint64
	Gaps          uint64
	Lost          uint64 // gaps that could not be filled
	Restarts      uint64
	Malformed     uint64 // payloads that were refused
	TrackedBlocks uint64 // blocks that are remembered beside the index, now
}

// KvStream takes the KV events of one publisher (one per data-parallel rank) into an index, every batch once and in order. One goroutine at
// a time.
type KvStream struct {
	handle handle[*C.kthena_kv_stream]
	e      *C.kthena_error // so that Feed allocates nothing
}

func freeKvStream(c *C.kthena_kv_stream) { C.kthena_kv_stream_free(c) }

// NewKvStream makes a stream. profile says which engine it is: ErrNotFound for an unknown one, ErrFailedPrecondition for one that
// publishes no KV events. Any goroutine.
func NewKvStream(profile string, options KvStreamOptions) (*KvStream, error) {
	var noReplay, hasRank, rank C.uint32_t
	if options.NoReplay {
		noReplay = 1
	}
	if options.Rank != nil {
		hasRank, rank = 1, C.uint32_t(*options.Rank)
	}
	var c *C.kthena_kv_stream
	e := newError()
	status := C.kthena_go_stream_create(chars(profile), C.size_t(len(profile)), chars(options.Model), C.size_t(len(options.Model)),
		C.uint32_t(options.Worker), C.uint32_t(options.Group), noReplay, hasRank, rank, C.uint64_t(options.MaxBytes),
		C.uint64_t(options.MaxTrackedBlocks), &c, e)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	s := &KvStream{e: e}
	own(s, &s.handle, c, freeKvStream)
	return s, nil
}

// Close frees the stream. The index keeps what it knows.
func (s *KvStream) Close() {
	if s != nil {
		s.handle.close(freeKvStream)
	}
}

func (s *KvStream) open() bool { return s != nil && s.handle.c != nil }

// Feed checks a live message and applies it to the index. Block size and seed are taken from the index that is fed first; later ones must
// have the same. On an error nothing was applied and the number stays open. Changes the index. It allocates nothing; C does only while
// something grows.
func (s *KvStream) Feed(sequence uint64, payload []byte, index *PrefixIndex) (KvStep, error) {
	return s.feed(sequence, payload, index, 0)
}

// FeedReplay is Feed for a message of a replay; KvReplayEnd with any payload ends it.
func (s *KvStream) FeedReplay(sequence uint64, payload []byte, index *PrefixIndex) (KvStep, error) {
	return s.feed(sequence, payload, index, 1)
}

func (s *KvStream) feed(sequence uint64, payload []byte, index *PrefixIndex, replay C.int) (KvStep, error) {
	if !s.open() || !index.open() {
		return KvStep{}, ErrClosed
	}
	var c C.kthena_kv_step
	status := C.kthena_go_feed(s.handle.c, C.uint64_t(sequence), (*C.char)(unsafe.Pointer(unsafe.SliceData(payload))),
		C.size_t(len(payload)), replay, index.handle.c, &c, s.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(index)
	if status != C.KTHENA_OK {
		return KvStep{}, toError(status, s.e)
	}
	return toStep(&c), nil
}

// ReplayFailed says that no replay will come: the worker is cleared if a gap is open, and the stream goes on with what is live. Changes
// the index.
func (s *KvStream) ReplayFailed(index *PrefixIndex) (KvStep, error) {
	if !s.open() || !index.open() {
		return KvStep{}, ErrClosed
	}
	c := C.kthena_kv_step{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_kv_step{}))}
	status := C.kthena_kv_stream_replay_failed(s.handle.c, index.handle.c, &c, s.e)
	runtime.KeepAlive(s)
	runtime.KeepAlive(index)
	if status != C.KTHENA_OK {
		return KvStep{}, toError(status, s.e)
	}
	return toStep(&c), nil
}

func toStep(c *C.kthena_kv_step) KvStep {
	return KvStep{
		Outcome:       KvOutcome(c.outcome),
		State:         KvState(c.state),
		Cleared:       c.cleared != 0,
		WantsReplay:   c.wants_replay != 0,
		ReplayFrom:    uint64(c.replay_from),
		ReplayTo:      uint64(c.replay_to),
		StoredBlocks:  uint64(c.stored_blocks),
		RemovedBlocks: uint64(c.removed_blocks),
		Clears:        uint64(c.clears),
		UnknownEvents: uint64(c.unknown_events),
		UnknownFields: uint64(c.unknown_fields),
		UnknownMedia:  uint64(c.unknown_media),
		OtherGroups:   uint64(c.other_groups),
		Unmapped:      uint64(c.unmapped),
		OverLimits:    uint64(c.over_limits),
		Refused:       uint64(c.refused),
	}
}

// Info returns state and counts.
func (s *KvStream) Info() (KvStreamInfo, error) {
	if !s.open() {
		return KvStreamInfo{}, ErrClosed
	}
	c := C.kthena_kv_stream_info{struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_kv_stream_info{}))}
	status := C.kthena_kv_stream_get_info(s.handle.c, &c, s.e)
	runtime.KeepAlive(s)
	if status != C.KTHENA_OK {
		return KvStreamInfo{}, toError(status, s.e)
	}
	return KvStreamInfo{
		State:         KvState(c.state),
		NextSequence:  uint64(c.next_sequence),
		Applied:       uint64(c.applied),
		Duplicates:    uint64(c.duplicates),
		HeldBack:      uint64(c.held_back),
		Gaps:          uint64(c.gaps),
		Lost:          uint64(c.lost),
		Restarts:      uint64(c.restarts),
		Malformed:     uint64(c.malformed),
		TrackedBlocks: uint64(c.tracked_blocks),
	}, nil
}

// ReadKvMessage takes a message of the transport apart, [topic, sequence, payload], with or without a topic or an empty frame in front. The
// payload is the last frame. Any goroutine.
func ReadKvMessage(frames [][]byte) (sequence uint64, payload []byte, err error) {
	if len(frames) < 2 {
		return 0, nil, &Error{Code: CodeInvalidArgument, Message: fmt.Sprintf("frames: %d where at least 2 are needed", len(frames))}
	}
	var c C.uint64_t
	e := newError()
	status := C.kthena_kv_message_sequence(bytesStr(frames[len(frames)-2]), &c, e)
	if err := toError(status, e); err != nil {
		return 0, nil, err
	}
	return uint64(c), frames[len(frames)-1], nil
}

// KvBatchJSON decodes and checks one batch, to look at it (docs/schemas/kv_batch.schema.json). KvStream feeds an index. Any goroutine.
func KvBatchJSON(profile string, payload []byte) ([]byte, error) {
	return text(func(buffer *C.char, capacity C.size_t, needed *C.size_t, e *C.kthena_error) C.kthena_status {
		return C.kthena_kv_batch_json(str(profile), bytesStr(payload), buffer, capacity, needed, e)
	})
}

func float64s(s []float64) *C.double { return (*C.double)(unsafe.SliceData(s)) }
