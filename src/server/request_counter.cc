#include "server/request_counter.h"

#include <algorithm>

#include "fmt/format.h"

namespace freehold::server {
namespace {

constexpr std::array<std::string_view, 6> kMethods = {"GET",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "HEAD"};
constexpr std::string_view kRequests = "freehold_http_requests_total";
constexpr std::string_view kDuration = "freehold_http_request_duration_seconds";

// A client may call its method anything.
std::string_view MethodLabel(std::string_view method) {
  const auto known = std::find(kMethods.begin(), kMethods.end(), method);
  return known == kMethods.end() ? "other" : *known;
}

}  // namespace

void AppendHeading(std::string& text, std::string_view name, std::string_view type,
                   std::string_view help) {
  text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void RequestCounter::Count(std::string_view route, std::string_view method, int status,
                           Duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  const auto bucket = static_cast<std::size_t>(
      std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin());
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(route), std::string(MethodLabel(method)), status}];
  Histogram& histogram = durations_[std::string(route)];
  ++histogram.counts[bucket];
  histogram.sum += seconds;
}

void RequestCounter::AppendTo(std::string& text) const {
  const std::lock_guard lock(mutex_);
  AppendHeading(text, kRequests, "counter", "Requests to the API that were answered.");
  for (const auto& [key, count] : requests_) {
    const auto& [route, method, status] = key;
    text += fmt::format("{}{{route=\"{}\",method=\"{}\",status=\"{}\"}} {}\n", kRequests, route,
                        method, status, count);
  }
  AppendHeading(text, kDuration, "histogram", "From a request's arrival to its answer.");
  for (const auto& [route, histogram] : durations_) {
    std::uint64_t up_to = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      up_to += histogram.counts[i];
      const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
      text +=
          fmt::format("{}_bucket{{route=\"{}\",le=\"{}\"}} {}\n", kDuration, route, bound, up_to);
    }
    text += fmt::format("{}_sum{{route=\"{}\"}} {}\n", kDuration, route, histogram.sum);
    text += fmt::format("{}_count{{route=\"{}\"}} {}\n", kDuration, route, up_to);
  }
}

}  // namespace freehold::server
