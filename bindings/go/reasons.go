// Code generated from base/reasons.def by tools/gen_reasons.py; DO NOT EDIT.

package kthena

import "strconv"

// Reason says why a decision came out as it did.
type Reason int32

// The codes of the registry.
const (
	ReasonNone           Reason = 0
	ReasonBestScore      Reason = 100
	ReasonTieBroken      Reason = 101
	ReasonOnlyCandidate  Reason = 102
	ReasonRoundRobin     Reason = 103
	ReasonSoftmaxDrawn   Reason = 104
	ReasonWeightedDrawn  Reason = 105
	ReasonBestOfSample   Reason = 106
	ReasonExplored       Reason = 107
	ReasonPoolEmpty      Reason = 110
	ReasonAllFiltered    Reason = 111
	ReasonScorerFailed   Reason = 112
	ReasonWaitingLimit   Reason = 120
	ReasonModelNotLoaded Reason = 121
	ReasonLoadsUneven    Reason = 122
	ReasonLoadsEven      Reason = 123
	ReasonAboveLoadBound Reason = 124
	ReasonNotLeastLoaded Reason = 125
	ReasonPrefixTooShort Reason = 126
	ReasonDoesNotFit     Reason = 127
	ReasonStaleSignal    Reason = 140
	ReasonSlowStart      Reason = 141
)

// String gives the name as in the registry, "Reason(n)" for a code that is not in it.
func (r Reason) String() string {
	switch r {
	case ReasonNone:
		return "none"
	case ReasonBestScore:
		return "best_score"
	case ReasonTieBroken:
		return "tie_broken"
	case ReasonOnlyCandidate:
		return "only_candidate"
	case ReasonRoundRobin:
		return "round_robin"
	case ReasonSoftmaxDrawn:
		return "softmax_drawn"
	case ReasonWeightedDrawn:
		return "weighted_drawn"
	case ReasonBestOfSample:
		return "best_of_sample"
	case ReasonExplored:
		return "explored"
	case ReasonPoolEmpty:
		return "pool_empty"
	case ReasonAllFiltered:
		return "all_filtered"
	case ReasonScorerFailed:
		return "scorer_failed"
	case ReasonWaitingLimit:
		return "waiting_limit"
	case ReasonModelNotLoaded:
		return "model_not_loaded"
	case ReasonLoadsUneven:
		return "loads_uneven"
	case ReasonLoadsEven:
		return "loads_even"
	case ReasonAboveLoadBound:
		return "above_load_bound"
	case ReasonNotLeastLoaded:
		return "not_least_loaded"
	case ReasonPrefixTooShort:
		return "prefix_too_short"
	case ReasonDoesNotFit:
		return "does_not_fit"
	case ReasonStaleSignal:
		return "stale_signal"
	case ReasonSlowStart:
		return "slow_start"
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// Text gives one sentence for people, "" for a code that is not in the registry.
func (r Reason) Text() string {
	switch r {
	case ReasonNone:
		return "no reason was needed"
	case ReasonBestScore:
		return "the highest total score"
	case ReasonTieBroken:
		return "several shared the highest score; the seeded hash of request and endpoint id decided"
	case ReasonOnlyCandidate:
		return "only one endpoint was left after the filters"
	case ReasonRoundRobin:
		return "next in the order of endpoint ids"
	case ReasonSoftmaxDrawn:
		return "drawn by chance, the likelier the higher the total (softmax)"
	case ReasonWeightedDrawn:
		return "drawn by chance, in proportion to the total"
	case ReasonBestOfSample:
		return "the highest total score among some endpoints drawn by chance"
	case ReasonExplored:
		return "any endpoint, drawn by chance, to learn how it does"
	case ReasonPoolEmpty:
		return "the pool has no endpoints"
	case ReasonAllFiltered:
		return "filters dropped every endpoint"
	case ReasonScorerFailed:
		return "a scorer of the caller's own failed"
	case ReasonWaitingLimit:
		return "as many or more requests wait than allowed"
	case ReasonModelNotLoaded:
		return "the endpoint does not serve the model or adapter that was asked for"
	case ReasonLoadsUneven:
		return "the loads of the endpoints differ too much for this stage"
	case ReasonLoadsEven:
		return "the loads of the endpoints differ too little for this stage"
	case ReasonAboveLoadBound:
		return "the endpoint's load is too far above the mean"
	case ReasonNotLeastLoaded:
		return "others are less loaded"
	case ReasonPrefixTooShort:
		return "the endpoint holds too little of the prompt"
	case ReasonDoesNotFit:
		return "the endpoint is not made for requests of this length"
	case ReasonStaleSignal:
		return "a signal of the endpoint is older than the policy allows"
	case ReasonSlowStart:
		return "the endpoint is new and sits out some requests while its share grows"
	}
	return ""
}
