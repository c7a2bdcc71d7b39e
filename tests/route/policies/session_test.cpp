#include "kthena/route/policies/session.hpp"

#include <map>

#include "../support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

Request of_session(const std::string& session) {
  Request request = asking("request", 7);
  request.session = session;
  return request;
}

/// The endpoint that gets 100.
template <class S>
std::string home(const S& scorer, const PoolSnapshot& pool, const std::string& session) {
  const std::vector<double> scores = opinions(scorer, pool, of_session(session));
  const auto best = std::max_element(scores.begin(), scores.end());
  CHECK(*best == 100);
  CHECK(std::count(scores.begin(), scores.end(), 100.0) == 1);
  return std::string(pool.id({static_cast<std::uint32_t>(best - scores.begin())}));
}

}  // namespace

TEST_CASE("sessions spread evenly, and only those of an endpoint that goes move", "[route][session]") {
  const PoolSnapshot pool = plain_pool(9);
  std::vector<Endpoint> rows;
  for (std::uint32_t i = 0; i < 9; ++i)
    if (i != 4) rows.push_back(row(std::string(pool.id({i}))));
  const PoolSnapshot without = pool_of(rows);
  const std::string gone(pool.id({4}));
  std::map<std::string, int> homes;
  constexpr int kSessions = 9000;
  for (int i = 0; i < kSessions; ++i) {
    const std::string session = "session-" + std::to_string(i);
    const std::string before = home(SessionRendezvous(), pool, session);
    const std::string after = home(SessionRendezvous(), without, session);
    ++homes[before];
    if (before != gone) CHECK(before == after);
  }
  double chi_square = 0;
  for (const auto& [id, count] : homes) chi_square += (count - 1000.0) * (count - 1000.0) / 1000;
  CHECK(homes.size() == 9);
  CHECK(chi_square < 26.1);  // 8 degrees of freedom, 0.001
}

TEST_CASE("the ring keeps homes that are in bounds and sends the others to the next in order", "[route][session]") {
  RandomStream random(3, 3);
  int moved = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<Endpoint> rows;
    std::vector<double> loads;
    double sum = 0;
    for (int i = 0; i < 8; ++i) {
      loads.push_back(static_cast<double>(random.next_below(12)));
      sum += loads.back();
      rows.push_back(row("e" + std::to_string(i), {{Signal::kInFlight, loads.back()}}));
    }
    const PoolSnapshot pool = pool_of(rows);
    const std::string session = "session-" + std::to_string(round);
    const double bound = 1.25 * (sum + 1) / 8;
    const std::vector<double> order = opinions(SessionRendezvous(), pool, of_session(session));
    std::size_t wanted = 8;
    for (std::size_t i = 0; i < 8; ++i)
      if (loads[i] <= bound && (wanted == 8 || order[i] > order[wanted])) wanted = i;
    REQUIRE(wanted < 8);
    CHECK(home(SessionRing(), pool, session) == "e" + std::to_string(wanted));
    moved += order[wanted] == 100 ? 0 : 1;
    const std::vector<double> ring = opinions(SessionRing(), pool, of_session(session));
    for (std::size_t i = 0; i < 8; ++i) CHECK((ring[i] >= 50) == (loads[i] <= bound));
  }
  CHECK(moved > 50);
}
