// src/route/lint_rules.cpp
//
// The texts of the rules of lint.
#include <array>

#include "kthena/route/lint.hpp"

namespace kthena::route {
namespace {

constexpr std::array kRules = {
    LintRule{"affinity-alone",
             "a popular prompt is sent to one endpoint for ever, however long its queue has become (llm-d-router's "
             "load gate, SMG's "
             "balance thresholds and AIBrix's load bound exist for this)",
             "add a scorer of loads (active-request), or a filter that bounds them (load-bound)"},
    LintRule{"scraped-load-herds",
             "between two readings every request goes to the endpoint that looked best at the last one: Kthena's "
             "published benchmark has "
             "9.9 requests a second for least-request on scraped counts and 11.8 for random; with 1 s between readings "
             "the best reading "
             "waits 2,216 ms, random 258 ms, the router's own count 9 ms (simulated)",
             "add a scorer that reads what the router booked (active-request, least-request, token-load), or draw: "
             "picker power-of-k"},
    LintRule{"usage-as-load",
             "engines with prefix caching keep blocks that nobody uses, so a warm idle engine looks full and a cold "
             "one empty: it works "
             "against the cache",
             "take requests or tokens in flight for loads; leave KV usage to a filter, or a small weight"},
    LintRule{"weight-zero", "a scorer of weight 0 costs its time and decides nothing",
             "remove it, or give it a weight"},
    LintRule{"constant-scorer",
             "it says the same of everybody, so its weight decides nothing and the policy is another one than it looks",
             "let the signal be read, or remove the scorer"},
    LintRule{"signals-not-booked",
             "the router has to count these itself; where it does not, the scorer says the same of everybody",
             "book requests in a LoadLedger or Fleet and give its columns to the pool"},
    LintRule{"nobody-left",
             "when the filters drop everybody the request is refused: on old readings a whole fleet looks full, and "
             "Kthena answers 400",
             "add a stage to `otherwise` that says where requests go then"},
    LintRule{"picker-ignores-scores", "round-robin looks at no total: scorers cost their time and decide nothing",
             "remove the scorers, or take the picker best-score or power-of-k"},
    LintRule{"adapter-unroutable",
             "the filter lora-affinity drops every endpoint that has not loaded the name that was asked for: such "
             "requests are refused",
             "load the adapter somewhere, or take the scorer lora-affinity, or add a stage to `otherwise`"},
    LintRule{"softmax-uniform", "totals differ by far less than the temperature: the draw is as good as random",
             "lower the temperature: a tenth of what one opinion spans (10) is usual"},
    LintRule{"softmax-argmax",
             "totals differ by far more than the temperature: the draw is the best score, herding included",
             "raise the temperature, or take the picker best-score and say so"},
    LintRule{"product-all-zero",
             "a factor that is 0 for everybody makes every total 0: the other scorers decide nothing and the tie-break "
             "picks",
             "lower the weight of that scorer below 1"},
    LintRule{"tiers-never-pass",
             "opinions that fine are hardly ever equal: one endpoint stays in the tier and those below it never decide",
             "give the tier a tolerance, in points of opinion"},
    LintRule{"tiers-pass-all", "with a tolerance of 100 points everybody passes: the tier decides nothing",
             "lower the tolerance, or remove the tier"},
    LintRule{"stale-before-scrape",
             "readings are stale before the next one comes: llm-d-router #2514 had 15 s between readings and a "
             "threshold of 200 ms, 98.7 % of "
             "them were stale and requests stalled for 11 to 13 s",
             "let stale_s be several intervals, three at least"},
    LintRule{"stale-rule-unread", "no part reads the signal that the rule is about",
             "remove the rule, or name the signal that is read"},
    LintRule{
        "own-counts-mixed",
        "engines count the requests of all routers, this one only its own: what is subtracted or compared is not "
        "the same thing",
        "scale the counts by the number of routers (LoadLedger and Fleet do: EstimateRule::routers), or share them"},
    LintRule{"own-counts-unscaled",
             "each router sees its own requests only; endpoints that others have filled look empty",
             "scale the counts by the number of routers (LoadLedger and Fleet do: EstimateRule::routers)"},
    LintRule{"slow-start-long",
             "a new endpoint stands below its share all that time, and in a fleet that grows under load it is the one "
             "that is needed; above 300 s it is longer than engines take to warm a cache (a rule of thumb)",
             "shorten slow_start_s"},
    LintRule{"slow-start-unread", "nobody reports ready_at_s: slow start never holds anybody back",
             "set ready_at_s from the control plane"},
    LintRule{"no-failover",
             "the ranked list holds the chosen endpoint only: when it fails there is nobody to try next without "
             "another decision",
             "let ranked_limit be 2 or more; Kthena's is 5"},
};

}  // namespace

std::span<const LintRule> lint_rules() noexcept { return kRules; }

}  // namespace kthena::route
