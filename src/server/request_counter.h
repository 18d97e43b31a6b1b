// RequestCounter: how many requests each route had, how they ended and how long they took.
//
// A route is a line of the table ("/api/v1/clusters/{cluster_id}"), never what a client has typed.
// Threads: safe. Spec: docs/metrics.md; the text is Prometheus's, version 0.0.4.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

#include "base/clock.h"

namespace freehold::server {

// "# HELP" and "# TYPE" of a metric, before its samples.
void AppendHeading(std::string& text, std::string_view name, std::string_view type,
                   std::string_view help);

class RequestCounter {
 public:
  // `route` is "none" where the table has none that fits.
  void Count(std::string_view route, std::string_view method, int status, Duration took);
  void AppendTo(std::string& text) const;

 private:
  // Upper bounds in seconds; what takes longer is in the last one, which has none.
  static constexpr std::array kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0};
  struct Histogram {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, int>, std::uint64_t> requests_;
  std::map<std::string, Histogram> durations_;  // by route
};

}  // namespace freehold::server
