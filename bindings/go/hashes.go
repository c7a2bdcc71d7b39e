package kthena

// #include "kthena/kthena.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// VllmHash is one of vLLM's values of --prefix-caching-hash-algo. Its default, sha256, hashes pickles and is not covered.
type VllmHash int32

// The algorithms.
const (
	VllmSha256Cbor VllmHash = C.KTHENA_VLLM_SHA256_CBOR // digests of 32 bytes
	VllmXxhashCbor VllmHash = C.KTHENA_VLLM_XXHASH_CBOR // digests of 16 bytes
)

// VllmKeyForm is how vLLM writes extra keys.
type VllmKeyForm int32

// The forms.
const (
	VllmKeysTagged VllmKeyForm = C.KTHENA_VLLM_KEYS_TAGGED // 0.31 and newer
	VllmKeysPlain  VllmKeyForm = C.KTHENA_VLLM_KEYS_PLAIN  // up to 0.30
)

// SglangHash is what a hash of SGLang's is for.
type SglangHash int32

// The kinds.
const (
	SglangEvents  SglangHash = C.KTHENA_SGLANG_EVENTS  // as KV events have it: the extra key does not count
	SglangStorage SglangHash = C.KTHENA_SGLANG_STORAGE // as storage backends are keyed: it does
)

// MultimodalItem is an image or the like in a prompt: what the system calls it, and which tokens are its placeholders.
type MultimodalItem struct {
	Identifier string
	Offset     uint32 // of its first placeholder, from the start of the prompt
	Length     uint32 // placeholders, at least 1
}

// VllmHashOptions say what is hashed besides tokens, and how. Texts are UTF-8 of at most 65536 bytes; empty: none.
type VllmHashOptions struct {
	Algorithm    VllmHash
	KeyForm      VllmKeyForm
	Seed         string           // PYTHONHASHSEED; empty: not set, which xxhash_cbor cannot be computed for
	LoraName     string           // goes into every block
	LoraPath     string           // tagged keys need it beside LoraName, plain keys have no place for it
	CacheSalt    string           // goes into the first block of a prompt
	Multimodal   []MultimodalItem // by offset, none overlapping
	PromptEmbeds []byte           // for each block 32 bytes of SHA-256 over its embeddings; nil: none
	Parent       []byte           // digest of the block before the first token; nil: the prompt starts there
	FirstBlock   uint64           // number of the first block; 0 without a parent
}

// SglangHashOptions say what is hashed besides tokens, and for what.
type SglangHashOptions struct {
	Kind      SglangHash
	ExtraKey  string
	CacheSalt string
	Parent    []byte // digest of the page before the first token; nil: the prompt starts there
}

// Xxh3HashOptions say what is hashed besides tokens.
type Xxh3HashOptions struct {
	Seed           *uint64 // nil: 1337, as Dynamo and SMG have it
	LoraName       string  // Dynamo's
	CacheNamespace string  // Dynamo's
	Parent         *uint64 // chained hash of the block before the first token; nil: the prompt starts there
}

// LlmdHashOptions say what is hashed besides tokens.
type LlmdHashOptions struct {
	Seed       string           // hashSeed
	Model      string           // or the name of the LoRA adapter
	CacheSalt  string           // goes into the first block of a prompt
	Multimodal []MultimodalItem // by offset, none overlapping
	Parent     *uint64          // key of the block before the first token; nil: the prompt starts there
	FirstBlock uint64           // number of the first block; 0 without a parent
}

// BlockHashes are hashes of consecutive blocks.
type BlockHashes struct {
	Digests []byte   // Width bytes per block
	Width   int      // 32 or 16
	Hashes  []uint64 // the form that KV events carry
}

// Digest returns the digest of block i: the Parent of what follows it.
func (b BlockHashes) Digest(i int) []byte { return b.Digests[i*b.Width : (i+1)*b.Width] }

// pinned makes C strings and arrays of Go's that a struct for C may point to. The zero value is ready; unpin ends it.
type pinned struct{ pinner runtime.Pinner }

func (p *pinned) unpin() { p.pinner.Unpin() }

func (p *pinned) str(s string) C.kthena_str {
	if s == "" {
		return C.kthena_str{}
	}
	p.pinner.Pin(unsafe.StringData(s))
	return str(s)
}

func pin[C, Go any](p *pinned, array []Go) *C {
	if len(array) == 0 {
		return nil
	}
	data := unsafe.SliceData(array)
	p.pinner.Pin(data)
	return (*C)(unsafe.Pointer(data))
}

// flatItems are multimodal items as C takes them.
type flatItems struct {
	ids              []byte
	idOffsets        []uint64
	offsets, lengths []uint32
}

func flatten(items []MultimodalItem) flatItems {
	flat := flatItems{idOffsets: []uint64{0}}
	for _, item := range items {
		flat.ids = append(flat.ids, item.Identifier...)
		flat.idOffsets = append(flat.idOffsets, uint64(len(flat.ids)))
		flat.offsets = append(flat.offsets, item.Offset)
		flat.lengths = append(flat.lengths, item.Length)
	}
	return flat
}

func fullBlocks(tokens []uint32, blockTokens uint32) int {
	if blockTokens == 0 {
		return 0
	}
	return len(tokens) / int(blockTokens)
}

func blocksWithRest(n int, block uint32) int {
	if block == 0 {
		return 0
	}
	return (n + int(block) - 1) / int(block)
}

// HashVllm returns vLLM's hashes of the full blocks of tokens. Any goroutine.
func HashVllm(tokens []uint32, blockTokens uint32, options VllmHashOptions) (BlockHashes, error) {
	var p pinned
	defer p.unpin()
	items := flatten(options.Multimodal)
	c := C.kthena_vllm_hash_options{
		struct_size:           C.uint32_t(unsafe.Sizeof(C.kthena_vllm_hash_options{})),
		algorithm:             C.int32_t(options.Algorithm),
		key_form:              C.int32_t(options.KeyForm),
		seed:                  p.str(options.Seed),
		lora_name:             p.str(options.LoraName),
		lora_path:             p.str(options.LoraPath),
		cache_salt:            p.str(options.CacheSalt),
		multimodal_ids:        pin[C.char](&p, items.ids),
		multimodal_id_offsets: pin[C.uint64_t](&p, items.idOffsets),
		multimodal_offsets:    pin[C.uint32_t](&p, items.offsets),
		multimodal_lengths:    pin[C.uint32_t](&p, items.lengths),
		multimodal_count:      C.size_t(len(options.Multimodal)),
		prompt_embeds:         pin[C.uint8_t](&p, options.PromptEmbeds),
		prompt_embeds_size:    C.size_t(len(options.PromptEmbeds)),
		parent:                pin[C.uint8_t](&p, options.Parent),
		parent_size:           C.size_t(len(options.Parent)),
		first_block:           C.uint64_t(options.FirstBlock),
	}
	width := 32
	if options.Algorithm == VllmXxhashCbor {
		width = 16
	}
	blocks := fullBlocks(tokens, blockTokens)
	made := BlockHashes{Digests: make([]byte, blocks*width), Width: width, Hashes: make([]uint64, blocks)}
	e := newError()
	status := C.kthena_hash_vllm(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), &c,
		(*C.uint8_t)(unsafe.SliceData(made.Digests)), uint64s(made.Hashes), e)
	if err := toError(status, e); err != nil {
		return BlockHashes{}, err
	}
	return made, nil
}

// HashSglang returns SGLang's hashes of the full pages of tokens. Its events write Hashes as signed numbers. Any goroutine.
func HashSglang(tokens []uint32, pageTokens uint32, options SglangHashOptions) (BlockHashes, error) {
	var p pinned
	defer p.unpin()
	c := C.kthena_sglang_hash_options{
		struct_size: C.uint32_t(unsafe.Sizeof(C.kthena_sglang_hash_options{})),
		kind:        C.int32_t(options.Kind),
		extra_key:   p.str(options.ExtraKey),
		cache_salt:  p.str(options.CacheSalt),
		parent:      pin[C.uint8_t](&p, options.Parent),
		parent_size: C.size_t(len(options.Parent)),
	}
	const width = 32
	pages := fullBlocks(tokens, pageTokens)
	made := BlockHashes{Digests: make([]byte, pages*width), Width: width, Hashes: make([]uint64, pages)}
	e := newError()
	status := C.kthena_hash_sglang(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(pageTokens), &c,
		(*C.uint8_t)(unsafe.SliceData(made.Digests)), uint64s(made.Hashes), e)
	if err := toError(status, e); err != nil {
		return BlockHashes{}, err
	}
	return made, nil
}

// HashXxh3Chain returns Dynamo's and SMG's hashes of the full blocks of tokens: of each block alone, and of all tokens up to its end. Any
// goroutine.
func HashXxh3Chain(tokens []uint32, blockTokens uint32, options Xxh3HashOptions) (local, chained []uint64, err error) {
	var p pinned
	defer p.unpin()
	c := C.kthena_xxh3_hash_options{
		struct_size:     C.uint32_t(unsafe.Sizeof(C.kthena_xxh3_hash_options{})),
		lora_name:       p.str(options.LoraName),
		cache_namespace: p.str(options.CacheNamespace),
	}
	if options.Seed != nil {
		c.has_seed, c.seed = 1, C.uint64_t(*options.Seed)
	}
	if options.Parent != nil {
		c.parent = pin[C.uint64_t](&p, []uint64{*options.Parent})
	}
	blocks := fullBlocks(tokens, blockTokens)
	local, chained = make([]uint64, blocks), make([]uint64, blocks)
	e := newError()
	status := C.kthena_hash_xxh3_chain(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), &c, uint64s(local),
		uint64s(chained), e)
	if err := toError(status, e); err != nil {
		return nil, nil, err
	}
	return local, chained, nil
}

// HashLlmD returns the request keys of llm-d's indexer for the full blocks of tokens. Any goroutine.
func HashLlmD(tokens []uint32, blockTokens uint32, options LlmdHashOptions) ([]uint64, error) {
	var p pinned
	defer p.unpin()
	items := flatten(options.Multimodal)
	c := C.kthena_llmd_hash_options{
		struct_size:           C.uint32_t(unsafe.Sizeof(C.kthena_llmd_hash_options{})),
		seed:                  p.str(options.Seed),
		model:                 p.str(options.Model),
		cache_salt:            p.str(options.CacheSalt),
		multimodal_ids:        pin[C.char](&p, items.ids),
		multimodal_id_offsets: pin[C.uint64_t](&p, items.idOffsets),
		multimodal_offsets:    pin[C.uint32_t](&p, items.offsets),
		multimodal_lengths:    pin[C.uint32_t](&p, items.lengths),
		multimodal_count:      C.size_t(len(options.Multimodal)),
		first_block:           C.uint64_t(options.FirstBlock),
	}
	if options.Parent != nil {
		c.parent = pin[C.uint64_t](&p, []uint64{*options.Parent})
	}
	hashes := make([]uint64, fullBlocks(tokens, blockTokens))
	e := newError()
	status := C.kthena_hash_llm_d(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), &c, uint64s(hashes), e)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	return hashes, nil
}

// HashKthenaBlocks returns the hashes of Kthena's kvcache-aware plugin, which are not chained. The last partial block has one too. Any
// goroutine.
func HashKthenaBlocks(tokens []uint32, blockTokens uint32) ([]uint64, error) {
	hashes := make([]uint64, blocksWithRest(len(tokens), blockTokens))
	e := newError()
	status := C.kthena_hash_kthena_blocks(uint32s(tokens), C.size_t(len(tokens)), C.uint32_t(blockTokens), uint64s(hashes), e)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	return hashes, nil
}

// HashKthenaBytes returns the hashes of Kthena's prefix-cache plugin, over bytes of the prompt. The last partial block has one too. Any
// goroutine.
func HashKthenaBytes(model, prompt string, blockBytes uint32) ([]uint64, error) {
	hashes := make([]uint64, blocksWithRest(len(prompt), blockBytes))
	e := newError()
	status := C.kthena_hash_kthena_bytes(str(model), str(prompt), C.uint32_t(blockBytes), uint64s(hashes), e)
	if err := toError(status, e); err != nil {
		return nil, err
	}
	return hashes, nil
}
