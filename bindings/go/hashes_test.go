package kthena

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A case of tests/vectors/engine_hashes, as its README describes it.
type hashCase struct {
	Name    string
	Formula string
	Tokens  []uint32
	Prompt  string
	Options struct {
		BlockTokens    uint32 `json:"block_tokens"`
		PageTokens     uint32 `json:"page_tokens"`
		BlockBytes     uint32 `json:"block_bytes"`
		Algorithm      string
		KeyForm        string `json:"key_form"`
		Kind           string
		Seed           json.RawMessage // a text, of xxh3_chain a number
		LoraName       string          `json:"lora_name"`
		LoraPath       string          `json:"lora_path"`
		CacheSalt      string          `json:"cache_salt"`
		ExtraKey       string          `json:"extra_key"`
		CacheNamespace string          `json:"cache_namespace"`
		Model          string
		Multimodal     []MultimodalItem
		PromptEmbeds   string          `json:"prompt_embeds"`
		Parent         json.RawMessage // in hex, of xxh3_chain and llm_d a number
		FirstBlock     uint64          `json:"first_block"`
	}
	Long   []string
	Expect *hashAnswer
	Faults []string
}

type hashAnswer struct {
	Digests, Hashes, Local, Chained any
}

func hashCases(t *testing.T) []hashCase {
	files, err := filepath.Glob(filepath.Join("..", "..", "tests", "vectors", "engine_hashes", "*.json"))
	ok(t, err)
	var all []hashCase
	for _, file := range files {
		var document struct{ Cases []hashCase }
		decoder := json.NewDecoder(strings.NewReader(string(must(os.ReadFile(file))(t))))
		decoder.UseNumber()
		ok(t, decoder.Decode(&document))
		all = append(all, document.Cases...)
	}
	return all
}

// rows is what JSON makes of hashes or of digests in hex.
func rows[T any](t *testing.T, values []T) (list any) {
	t.Helper()
	if values == nil {
		values = []T{}
	}
	decoder := json.NewDecoder(strings.NewReader(string(must(json.Marshal(values))(t))))
	decoder.UseNumber()
	ok(t, decoder.Decode(&list))
	return list
}

func (h BlockHashes) answer(t *testing.T) hashAnswer {
	var digests []string
	for i := range h.Hashes {
		digests = append(digests, hex.EncodeToString(h.Digest(i)))
	}
	return hashAnswer{Digests: rows(t, digests), Hashes: rows(t, h.Hashes)}
}

func number(t *testing.T, raw json.RawMessage) *uint64 {
	if raw == nil {
		return nil
	}
	value := decode[uint64](t, raw)
	return &value
}

func (c hashCase) answer(t *testing.T) (hashAnswer, error) {
	o := &c.Options
	seed := ""
	if c.Formula != "xxh3_chain" {
		seed = decode[string](t, o.Seed)
	}
	long := strings.Repeat("x", 65537)
	for name, text := range map[string]*string{"seed": &seed, "lora_name": &o.LoraName, "lora_path": &o.LoraPath,
		"cache_salt": &o.CacheSalt, "extra_key": &o.ExtraKey, "cache_namespace": &o.CacheNamespace, "model": &o.Model} {
		if slices.Contains(c.Long, name) {
			*text = long
		}
	}
	switch c.Formula {
	case "vllm":
		options := VllmHashOptions{Seed: seed, LoraName: o.LoraName, LoraPath: o.LoraPath, CacheSalt: o.CacheSalt, Multimodal: o.Multimodal,
			PromptEmbeds: must(hex.DecodeString(o.PromptEmbeds))(t), Parent: must(hex.DecodeString(decode[string](t, o.Parent)))(t),
			FirstBlock: o.FirstBlock}
		if o.Algorithm == "xxhash_cbor" {
			options.Algorithm = VllmXxhashCbor
		}
		if o.KeyForm == "plain" {
			options.KeyForm = VllmKeysPlain
		}
		hashes, err := HashVllm(c.Tokens, o.BlockTokens, options)
		return hashes.answer(t), err
	case "sglang":
		options := SglangHashOptions{ExtraKey: o.ExtraKey, CacheSalt: o.CacheSalt,
			Parent: must(hex.DecodeString(decode[string](t, o.Parent)))(t)}
		if o.Kind == "storage" {
			options.Kind = SglangStorage
		}
		hashes, err := HashSglang(c.Tokens, o.PageTokens, options)
		return hashes.answer(t), err
	case "xxh3_chain":
		local, chained, err := HashXxh3Chain(c.Tokens, o.BlockTokens, Xxh3HashOptions{Seed: number(t, o.Seed), LoraName: o.LoraName,
			CacheNamespace: o.CacheNamespace, Parent: number(t, o.Parent)})
		return hashAnswer{Local: rows(t, local), Chained: rows(t, chained)}, err
	case "llm_d":
		hashes, err := HashLlmD(c.Tokens, o.BlockTokens, LlmdHashOptions{Seed: seed, Model: o.Model, CacheSalt: o.CacheSalt,
			Multimodal: o.Multimodal, Parent: number(t, o.Parent), FirstBlock: o.FirstBlock})
		return hashAnswer{Hashes: rows(t, hashes)}, err
	case "kthena_blocks":
		hashes, err := HashKthenaBlocks(c.Tokens, o.BlockTokens)
		return hashAnswer{Hashes: rows(t, hashes)}, err
	case "kthena_bytes":
		hashes, err := HashKthenaBytes(o.Model, c.Prompt, o.BlockBytes)
		return hashAnswer{Hashes: rows(t, hashes)}, err
	}
	t.Fatalf("no formula %q", c.Formula)
	return hashAnswer{}, nil
}

func TestHashVectors(t *testing.T) {
	expected, refusals := 0, 0
	for _, c := range hashCases(t) {
		t.Run(c.Formula+": "+c.Name, func(t *testing.T) {
			got, err := c.answer(t)
			if c.Expect == nil {
				refusals++
				refused(t, err, ErrInvalidArgument, c.Faults...)
				if n := strings.Count(err.Error(), ";") + 1; n != len(c.Faults) {
					t.Errorf("%d faults in %q, not %d", n, err, len(c.Faults))
				}
				return
			}
			expected++
			ok(t, err)
			if !reflect.DeepEqual(got, *c.Expect) {
				t.Errorf("got  %v\nwant %v", got, *c.Expect)
			}
		})
	}
	if expected < 130 || refusals < 25 {
		t.Errorf("%d hashes and %d refusals", expected, refusals)
	}
}

func TestHashesOfAPromptThatGrows(t *testing.T) {
	prompt := tokens(96)
	whole := must(HashVllm(prompt, 16, VllmHashOptions{Seed: "0", CacheSalt: "s"}))(t)
	head := must(HashVllm(prompt[:32], 16, VllmHashOptions{Seed: "0", CacheSalt: "s"}))(t)
	rest := must(HashVllm(prompt[32:], 16, VllmHashOptions{Seed: "0", CacheSalt: "s", Parent: head.Digest(1), FirstBlock: 2}))(t)
	if !slices.Equal(slices.Concat(head.Hashes, rest.Hashes), whole.Hashes) {
		t.Errorf("%v and %v, not %v", head.Hashes, rest.Hashes, whole.Hashes)
	}
	local, chained, err := HashXxh3Chain(prompt, 16, Xxh3HashOptions{})
	ok(t, err)
	if !slices.Equal(local, HashBlocks(nil, prompt, 16, 1337)) || local[0] != chained[0] {
		t.Errorf("local %v, chained %v", local, chained)
	}
}
