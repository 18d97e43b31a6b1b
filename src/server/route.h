// Route: one line of the API: a method, a path, and what is done there.
//
// Paths have parameters in braces, one segment each: "/api/v1/clusters/{cluster_id}/cmek". The
// table of routes is the API: the server matches against it, docs/api/routes.md and openapi.json
// are made from it, and tests walk both. Errors are google.rpc.Status on the wire. Threads: values.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/access.h"
#include "control/store.h"
#include "net/http.h"

namespace freehold::server {

// A request that was matched and whose caller is known.
struct Call {
  control::Caller caller;
  std::map<std::string, std::string> path;   // parameters by name
  std::map<std::string, std::string> query;  // decoded; a name that is there twice is refused
  std::string body;

  const std::string& Parameter(const std::string& name) const { return path.at(name); }
  // "pagination.limit" (1 to 500, 100 unless said) and "pagination.page".
  Result<control::Page> PageWanted() const;
  // "true" or "false" of the query; false where it is not given.
  Result<bool> Says(const std::string& name) const;
  // A whole number of the query; `usual` where it is not given.
  Result<std::uint64_t> NumberWanted(const std::string& name, std::uint64_t usual,
                                     std::uint64_t least, std::uint64_t most) const;
};

using Handler = std::function<Result<boost::json::object>(const Call&)>;

// What an operation is called, and the schemas of what goes in and comes out (schemas.h).
struct Operation {
  Operation(const char* its_name, const char* its_body = "", const char* its_answer = "",  // NOLINT
            const char* its_query = "", const char* its_error = "Status")
      : name(its_name), body(its_body), answer(its_answer), query(its_query), error(its_error) {}

  std::string_view name;    // "EnableCMEKSpec": as the contract calls it
  std::string_view body;    // "" = none
  std::string_view answer;  // "Empty": an object without fields
  std::string_view query;   // names of parameters, with blanks between; "" = none
  std::string_view error;   // what a refusal looks like
};

struct Route {
  std::string_view method;
  std::string_view path;
  Operation operation;
  control::Permission permission;
  std::string_view summary;  // for docs
  Handler handler;
};

// The parameters when `path` is one that the pattern means.
std::optional<std::map<std::string, std::string>> MatchPath(std::string_view pattern,
                                                            std::string_view path);

// kInvalidArgument for a broken escape or a name that is there twice.
Result<std::map<std::string, std::string>> ParseQuery(std::string_view query);

// {"NAME": [...], "pagination": {"next_page": "..."}}; a short page is the last one.
template <typename T, typename ToJson>
boost::json::object PageJson(std::string_view name, const std::vector<T>& items,
                             const control::Page& page, const ToJson& to_json) {
  boost::json::array list;
  for (const T& item : items) list.push_back(to_json(item));
  const bool more = page.limit != 0 && items.size() == page.limit;
  return {{name, std::move(list)}, {"pagination", {{"next_page", more ? items.back().id : ""}}}};
}

HttpResponse JsonResponse(int status, const boost::json::object& body);
// {"code":3,"message":"...","details":[]}
boost::json::object StatusJson(const Error& error);
// The same with the HTTP status that belongs to it.
HttpResponse ErrorResponse(const Error& error);

}  // namespace freehold::server
