// src/manifest/lint.cpp
#include "kthena/manifest/lint.hpp"

#include <optional>
#include <utility>

#include "kthena/route/lint.hpp"
#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

struct FleetDocument {
  std::optional<route::PoolSnapshot> pool;
  route::FleetFacts facts;
};

FleetDocument read_fleet(const Json& json, const std::string& path, Faults& faults) {
  FleetDocument fleet;
  if (!expect_object(json, path, {"endpoints", "scrape_interval_s", "routers"}, faults)) return fleet;
  if (find_member(json, "scrape_interval_s") != nullptr) {
    const double seconds = read_number(json, "scrape_interval_s", path, 1, faults);
    if (!(seconds > 0 && seconds <= 1e9))
      faults.add(member_path(path, "scrape_interval_s"), "must be a number above 0, at most 1e9");
    fleet.facts.scrape_interval_s = seconds;
  }
  const std::uint64_t routers = read_unsigned(json, "routers", path, 1, 1000000, faults);
  if (routers == 0) faults.add(member_path(path, "routers"), "must be in [1, 1000000]");
  fleet.facts.routers = static_cast<std::uint32_t>(routers);
  const Json* endpoints = find_member(json, "endpoints");
  if (endpoints == nullptr) return fleet;
  route::PoolBuilder builder;
  for (route::Endpoint& endpoint : read_endpoints(Json{{"endpoints", *endpoints}}, path, faults))
    builder.add(std::move(endpoint));
  auto pool = builder.build();
  if (pool.ok()) fleet.pool = std::move(pool).value();
  return fleet;
}

}  // namespace

Result<std::string> lint_document(std::string_view json) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  if (!expect_object(document, "", {"policy", "fleet"}, faults)) return faults.status();
  const Json* given = find_member(document, "policy");
  if (given == nullptr) faults.add("policy", "is needed");
  const route::PolicySpec spec = given == nullptr ? route::PolicySpec() : read_policy(*given, "policy", faults);
  FleetDocument fleet;
  if (const Json* described = find_member(document, "fleet")) fleet = read_fleet(*described, "fleet", faults);
  if (!faults.empty()) return faults.status();
  if (fleet.pool) fleet.facts.pool = &*fleet.pool;

  const auto findings = route::lint(spec, fleet.facts);
  if (!findings.ok()) return findings.status();
  OrderedJson rows = OrderedJson::array();
  std::size_t warnings = 0;
  for (const route::LintFinding& finding : *findings) {
    if (finding.severity == route::LintSeverity::kWarning) ++warnings;
    rows.push_back({{"code", finding.code},
                    {"severity", route::kLintSeverityNames[static_cast<std::size_t>(finding.severity)]},
                    {"path", finding.path},
                    {"message", finding.message},
                    {"why", finding.why},
                    {"advice", finding.advice}});
  }
  const std::size_t notes = rows.size() - warnings;
  return write_json({{"findings", std::move(rows)}, {"warnings", warnings}, {"notes", notes}});
}

}  // namespace kthena::manifest
