// Operation: one request of an authenticated caller, taken apart, and what every operation needs.
//
// Threads: one operation, one thread. Errors: GoogleFailure.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kms/embedded/dialect.h"
#include "kms/embedded/google/failure.h"
#include "kms/embedded/google/state.h"
#include "kms/embedded/state_store.h"

namespace freehold::embedded::google {

using Store = StateStore<State>;

// "/v1/projects/p/.../cryptoKeys/k:encrypt?a=b", decoded.
struct Target {
  std::string resource;  // "projects/p/.../cryptoKeys/k"
  std::string pattern;   // "projects/*/.../cryptoKeys/*"
  std::string verb;      // "encrypt"
  std::map<std::string, std::string> query;

  // Without the last part: what a member of a collection is in, or what a collection is of.
  std::string Parent() const;
};
Target ParseTarget(std::string_view target);

struct Operation {
  Store& store;
  const MasterKey& master;
  std::shared_ptr<const State> state;
  const Target& target;
  const boost::json::object& body;
  DialectCall& call;
  std::string token_uri;  // for credentials that are handed out

  const std::string& resource() const { return target.resource; }
  // PERMISSION_DENIED unless the caller has it on `resource` or on what that is in.
  GoogleStatus Authorize(const std::string& permission, const std::string& resource) const;
  GoogleStatus Authorize(const std::string& permission) const {
    return Authorize(permission, resource());
  }
  // `change` on a copy, durable when it returns; the answer is made of the new state.
  GoogleStatus Update(const std::function<GoogleStatus(State&)>& change);
};

// Requests as JSON has them.
std::string TextIn(const boost::json::object& object, std::string_view name);
const boost::json::object& ObjectIn(const boost::json::object& object, std::string_view name);
GoogleResult<Bytes> BytesIn(const boost::json::object& object, std::string_view name);
// An enum by its name or, as official clients write it, by its number. "" when it is missing.
GoogleResult<std::string> EnumIn(const boost::json::object& object, std::string_view name,
                                 const std::vector<std::string_view>& names_by_number);
// "86400s"; 0 when it is missing.
GoogleResult<std::int64_t> SecondsIn(const boost::json::object& object, std::string_view name);
GoogleResult<std::optional<WallTime>> TimeIn(const boost::json::object& object,
                                             std::string_view name);
// The caller asks to change this field: the mask, read from the query, names it.
bool MaskNames(const Target& target, std::string_view camel_case_field);

bool IsResourceId(std::string_view id);  // [a-zA-Z0-9_-]{1,63}

}  // namespace freehold::embedded::google
