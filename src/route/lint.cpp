// src/route/lint.cpp
#include "kthena/route/lint.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <utility>

#include "lint_parts.hpp"

namespace kthena::route {
namespace {

using detail::About;
using detail::PartTraits;
using detail::traits_of;

constexpr double kUsualScrapeS = 1;      // Kthena
constexpr double kHerdingScrapeS = 0.1;  // a busy router decides more than once in between
constexpr double kLongSlowStartS = 300;
// Against what totals span: exp(-span / temperature) is 0.9 and more; exp(-1 % of span / temperature) is 5e-5 and less.
constexpr double kUniformTemperature = 10;
constexpr double kArgmaxTemperature = 0.001;

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

std::string names_of(const std::vector<Signal>& signals) {
  std::string names;
  for (const Signal signal : signals) names += (names.empty() ? "" : ", ") + std::string(info(signal).name);
  return names;
}

/// What the endpoints of a pool say of a signal.
struct Reported {
  bool any = false;
  bool differs = false;
};

Reported reported(const PoolSnapshot& pool, Signal signal) {
  Reported out;
  const double* column = pool.view().values[static_cast<std::size_t>(signal)];
  for (std::size_t i = 0; column != nullptr && i < pool.size(); ++i) {
    out.any = out.any || !is_missing(column[i]);
    out.differs = out.differs || (is_missing(column[i]) != is_missing(column[0]) ||
                                  (column[i] != column[0] && !is_missing(column[i])));
  }
  return out;
}

class Linter {
 public:
  Linter(const PolicySpec& spec, const FleetFacts& fleet) : spec_(spec), fleet_(fleet) {}

  std::vector<LintFinding> run() {
    look_at_stage(spec_, "", spec_.otherwise.empty());
    for (std::size_t i = 0; i < spec_.otherwise.size(); ++i)
      look_at_stage(spec_.otherwise[i], "otherwise[" + std::to_string(i) + "].", i + 1 == spec_.otherwise.size());
    look_at_staleness();
    if (spec_.slow_start_s > kLongSlowStartS)
      warn("slow-start-long", "slow_start_s", text_of(spec_.slow_start_s) + " s of slow start");
    if (spec_.slow_start_s > 0 && knows_endpoints() && !reported(*fleet_.pool, Signal::kReadyAtS).any)
      warn("slow-start-unread", "slow_start_s", "no endpoint of the fleet reports ready_at_s");
    if (spec_.ranked_limit == 1) warn("no-failover", "ranked_limit", "the ranked list is 1 long");
    return std::move(findings_);
  }

 private:
  void find(LintSeverity severity, std::string_view code, std::string path, std::string message) {
    const auto rules = lint_rules();
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const LintRule& row) { return row.code == code; });
    findings_.push_back({rule->code, severity, std::move(path), std::move(message), rule->why, rule->advice});
  }
  void warn(std::string_view code, std::string path, std::string message) {
    find(LintSeverity::kWarning, code, std::move(path), std::move(message));
  }
  void note(std::string_view code, std::string path, std::string message) {
    find(LintSeverity::kNote, code, std::move(path), std::move(message));
  }

  [[nodiscard]] bool knows_endpoints() const { return fleet_.pool != nullptr && fleet_.pool->size() > 0; }

  /// `path` is empty or ends in a dot.
  void look_at_stage(const PolicySpec& stage, const std::string& path, bool last) {
    look_at_filters(stage, path, last);
    std::vector<PartTraits> scorers;
    for (std::size_t i = 0; i < stage.scorers.size(); ++i) {
      PartTraits traits = traits_of("scorer", stage.scorers[i]);
      look_at_scorer(stage, i, traits, path);
      if (stage.scorers[i].weight > 0) scorers.push_back(std::move(traits));
    }
    look_at_loads(stage, scorers, path);
    if (stage.combine == Combine::kProduct) look_at_product(stage, path);
    if (stage.combine == Combine::kTiers) look_at_tiers(stage, path);
    look_at_picker(stage, path);
  }

  void look_at_filters(const PolicySpec& stage, const std::string& path, bool last) {
    for (std::size_t i = 0; i < stage.filters.size(); ++i) {
      const PartTraits traits = traits_of("filter", stage.filters[i]);
      const std::string where = path + "filters[" + std::to_string(i) + "]";
      remember(traits);
      guarded_ = guarded_ || traits.about == About::kLoad;
      if (last && traits.can_empty) {
        // Refusing what nobody can take is right; refusing what somebody could have queued is not.
        const bool hard = traits.about == About::kModel || traits.about == About::kOther;
        const std::string message = quoted(traits.name) + " can drop everybody, and no stage comes after";
        hard ? note("nobody-left", where, message) : warn("nobody-left", where, message);
      }
      if (traits.name == "lora-affinity" && knows_endpoints()) look_at_adapters(where);
      if (fleet_.routers > 1 && traits.name == "imbalanced") look_at_bound(traits, where);
      if (fleet_.routers > 1 && traits.name == "balanced") look_at_bound(traits, where);
    }
  }

  void look_at_bound(const PartTraits& traits, const std::string& where) {
    if (!detail::is_booked(traits.signals.back())) return;
    warn("own-counts-unscaled", where,
         quoted(traits.name) + " compares " + names_of(traits.signals) + " of one of " +
             std::to_string(fleet_.routers) + " routers with a bound");
  }

  void look_at_adapters(const std::string& where) {
    const PoolView& view = fleet_.pool->view();
    if (view.model_offsets == nullptr || view.model_offsets[view.size] == 0) {
      warn("adapter-unroutable", where, "no endpoint of the fleet says what it serves: all requests are refused");
      return;
    }
    std::vector<bool> loaded(view.model_names.size());
    for (std::uint32_t k = 0; k < view.model_offsets[view.size]; ++k)
      if (view.model_waiting == nullptr || view.model_waiting[k] == 0) loaded[view.model_ids[k]] = true;
    for (std::size_t name = 0; name < loaded.size(); ++name)
      if (!loaded[name])
        warn("adapter-unroutable", where,
             "requests wait for " + quoted(view.model_names[name]) + ", which no endpoint has loaded");
  }

  void look_at_scorer(const PolicySpec& stage, std::size_t at, const PartTraits& traits, const std::string& path) {
    const PartSpec& part = stage.scorers[at];
    const std::string where = path + "scorers[" + std::to_string(at) + "]";
    remember(traits);
    if (part.weight == 0) return warn("weight-zero", where + ".weight", quoted(part.name) + " has weight 0");
    if (!knows_endpoints()) return;
    const PoolView& view = fleet_.pool->view();
    if (traits.about == About::kModel && view.model_offsets == nullptr)
      return warn("constant-scorer", where, quoted(part.name) + ": no endpoint says what it serves");
    if (part.name == "topology" && std::all_of(view.places.begin(), view.places.end(),
                                               [](const std::uint64_t* places) { return places == nullptr; }))
      return warn("constant-scorer", where, "\"topology\": no endpoint says where it runs");
    look_at_signals(part, traits, where);
  }

  void look_at_signals(const PartSpec& part, const PartTraits& traits, const std::string& where) {
    if (traits.signals.empty()) return;
    std::vector<Signal> unread;
    std::vector<Signal> booked;
    bool any = false;
    bool differs = false;
    for (const Signal signal : traits.signals) {
      const Reported seen = reported(*fleet_.pool, signal);
      any = any || seen.any;
      differs = differs || seen.differs;
      if (!seen.any) (detail::is_booked(signal) ? booked : unread).push_back(signal);
    }
    if (!any && booked.empty()) {
      warn("constant-scorer", where, quoted(part.name) + ": no endpoint reports " + names_of(unread));
    } else if (!booked.empty()) {
      note("signals-not-booked", where,
           quoted(part.name) + " reads " + names_of(booked) + ", which no endpoint of the fleet has");
    } else if (!unread.empty()) {
      note("constant-scorer", where,
           quoted(part.name) + ": no endpoint reports " + names_of(unread) + ", which it reads too");
    } else if (!differs && fleet_.pool->size() > 1) {
      note("constant-scorer", where, quoted(part.name) + ": all endpoints report the same " + names_of(traits.signals));
    }
  }

  void look_at_loads(const PolicySpec& stage, const std::vector<PartTraits>& scorers, const std::string& path) {
    std::vector<std::string> scraped_names;
    bool prefix = false;
    bool load = guarded_;
    bool own = false;
    bool other_than_usage = false;
    bool mixed = false;
    for (const PartTraits& traits : scorers) {
      prefix = prefix || traits.about == About::kPrefix;
      const bool about_load = traits.about == About::kLoad || traits.about == About::kUsage ||
                              traits.about == About::kLatency || traits.about == About::kBoth;
      if (!about_load) continue;
      load = true;
      other_than_usage = other_than_usage || traits.about != About::kUsage;
      const auto booked = std::any_of(traits.signals.begin(), traits.signals.end(), detail::is_booked);
      const auto scraped = std::any_of(traits.signals.begin(), traits.signals.end(), detail::is_scraped);
      own = own || booked || traits.about == About::kBoth;
      if (traits.name == "least-request") mixed = true;
      if (scraped && !booked) scraped_names.push_back(quoted(traits.name));
    }
    const std::string where = path + "scorers";
    std::string names;
    for (const std::string& name : scraped_names) names += (names.empty() ? "" : ", ") + name;
    if (prefix && !load) warn("affinity-alone", where, "nothing here looks at loads");
    const double interval = fleet_.scrape_interval_s.value_or(kUsualScrapeS);
    const bool draws = stage.picker.name == "power-of-k" || stage.picker.name == "weighted-random" ||
                       stage.picker.name == "round-robin" ||
                       (stage.picker.name == "softmax" && option("picker", stage.picker, "temperature") > 0);
    if (!scraped_names.empty() && !own && !draws && interval > kHerdingScrapeS) {
      warn("scraped-load-herds", where,
           names + (scraped_names.size() == 1 ? " knows" : " know") + " loads by readings only, " + text_of(interval) +
               " s apart" + (fleet_.scrape_interval_s ? "" : " where it is not said"));
    }
    if (!scraped_names.empty() && !other_than_usage)
      warn("usage-as-load", where, names + " stands for loads, and nothing else does");
    if (fleet_.routers > 1 && mixed) {
      warn("own-counts-mixed", where,
           "\"least-request\" subtracts what engines run for " + std::to_string(fleet_.routers) +
               " routers from what one of them sent");
    } else if (fleet_.routers > 1 && own) {
      note("own-counts-unscaled", where, "loads are what one of " + std::to_string(fleet_.routers) + " routers booked");
    }
  }

  void look_at_product(const PolicySpec& stage, const std::string& path) {
    for (std::size_t i = 0; i < stage.scorers.size(); ++i) {
      if (stage.scorers[i].weight < 1) continue;
      const PartTraits traits = traits_of("scorer", stage.scorers[i]);
      const std::string where = path + "scorers[" + std::to_string(i) + "].weight";
      if (traits.about == About::kPrefix) {
        warn("product-all-zero", where,
             quoted(traits.name) + " is 0 for everybody where nobody holds any of the prompt");
      } else if (traits.about == About::kModel) {
        warn("product-all-zero", where,
             quoted(traits.name) + " is 0 for everybody where no endpoint serves the model or has room");
      } else if (knows_endpoints() && abstains(stage.scorers[i], traits)) {
        warn("product-all-zero", where,
             quoted(traits.name) + " abstains for everybody: no endpoint reports " + names_of(traits.signals));
      }
    }
  }

  [[nodiscard]] bool abstains(const PartSpec& part, const PartTraits& traits) const {
    if (traits.signals.empty()) return false;
    if (!traits.missing_option.empty() && !is_missing(option("scorer", part, traits.missing_option))) return false;
    return std::none_of(traits.signals.begin(), traits.signals.end(),
                        [&](Signal signal) { return reported(*fleet_.pool, signal).any; });
  }

  void look_at_tiers(const PolicySpec& stage, const std::string& path) {
    for (std::size_t i = 0; i + 1 < stage.scorers.size(); ++i) {
      const PartSpec& part = stage.scorers[i];
      const std::string where = path + "scorers[" + std::to_string(i) + "].tolerance";
      if (part.tolerance >= 100) {
        warn("tiers-pass-all", where, quoted(part.name) + " lets everybody pass");
      } else if (part.tolerance == 0 && traits_of("scorer", part).fine) {
        warn("tiers-never-pass", where,
             quoted(part.name) + " has no tolerance, and its opinions are hardly ever equal");
      }
    }
  }

  void look_at_picker(const PolicySpec& stage, const std::string& path) {
    const PartSpec& picker = stage.picker;
    if (picker.name == "round-robin" && !stage.scorers.empty())
      return warn("picker-ignores-scores", path + "picker",
                  "\"round-robin\" ignores " + std::to_string(stage.scorers.size()) + " scorers");
    if (picker.name != "softmax") return;
    double span = stage.combine == Combine::kProduct ? 100 : 0;
    if (stage.combine == Combine::kTiers) span = kTierStep * static_cast<double>(stage.scorers.size());
    if (stage.combine == Combine::kSum)
      for (const PartSpec& part : stage.scorers) span += 100 * part.weight;
    const double temperature = option("picker", picker, "temperature");
    const std::string message =
        "temperature " + text_of(temperature) + " for totals that span " + text_of(span) + " points";
    const std::string where = path + "picker.options.temperature";
    if (temperature >= kUniformTemperature * span) {
      warn("softmax-uniform", where, message);
    } else if (temperature <= kArgmaxTemperature * span) {
      warn("softmax-argmax", where, message);
    }
  }

  void look_at_staleness() {
    for (std::size_t i = 0; i < spec_.staleness.size(); ++i) {
      const StaleRule& rule = spec_.staleness[i];
      const std::string where = "staleness[" + std::to_string(i) + "]";
      const std::string signal(info(rule.signal).name);
      if (detail::is_scraped(rule.signal) && fleet_.scrape_interval_s && rule.stale_s < *fleet_.scrape_interval_s) {
        const std::string message = signal + " is stale after " + text_of(rule.stale_s) + " s and read every " +
                                    text_of(*fleet_.scrape_interval_s) + " s";
        rule.then == StaleThen::kKeep ? note("stale-before-scrape", where + ".stale_s", message)
                                      : warn("stale-before-scrape", where + ".stale_s", message);
      }
      // Parts without a row, and those that read more than their row says, are not looked through.
      if (detail::is_scraped(rule.signal) && !read_.contains(rule.signal))
        warn("stale-rule-unread", where + ".signal", "no part reads " + signal);
    }
  }

  void remember(const PartTraits& traits) {
    read_.insert(traits.signals.begin(), traits.signals.end());
    if (traits.about == About::kBoth) read_.insert(Signal::kKvUsage);  // cost
  }

  static double option(std::string_view kind, const PartSpec& part, std::string_view name) {
    return detail::option_of(kind, part, name);
  }

  const PolicySpec& spec_;
  const FleetFacts& fleet_;
  std::set<Signal> read_;
  bool guarded_ = false;  // a filter of this stage or of one before it looks at loads
  std::vector<LintFinding> findings_;
};

}  // namespace

Result<std::vector<LintFinding>> lint(const PolicySpec& spec, const FleetFacts& fleet) {
  Faults faults = find_faults(spec);
  if (fleet.scrape_interval_s && !(*fleet.scrape_interval_s > 0 && *fleet.scrape_interval_s <= 1e9))
    faults.add("scrape_interval_s", "must be a number above 0, at most 1e9");
  if (fleet.routers < 1 || fleet.routers > 1000000) faults.add("routers", "must be in [1, 1000000]");
  if (!faults.empty()) return faults.status();
  return Linter(spec, fleet).run();
}

}  // namespace kthena::route
