// JsonReader: takes a request's JSON apart, and says in one sentence what is wrong with it.
//
// Strict: a field that nobody asked for is refused by name, and so is a wrong type. The first fault
// is kept; what is read after it gives empty values, so that a parser reads like the document it
// parses and checks once, at the end. Errors: kInvalidArgument. Threads: one at a time.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace freehold::api {

// Parsed with bounds on depth and size; anything but an object is refused. `what` names the
// document in the sentence: "the body".
Result<boost::json::object> ParseObject(std::string_view text, std::string_view what);

class JsonReader {
 public:
  // `path` is how sentences name this object: "region_specs[0].key_spec"; "" at the top.
  JsonReader(const boost::json::object& object, std::string path);

  // Absent fields give "", unset or an empty list; a null is as good as absent.
  std::string Text(std::string_view name);
  std::string RequiredText(std::string_view name);  // neither absent nor empty
  std::optional<bool> Boolean(std::string_view name);
  std::optional<std::int64_t> Integer(std::string_view name);
  bool Has(std::string_view name) const;
  // Calls `read` for the object in this field, if there is one.
  void Object(std::string_view name, const std::function<void(JsonReader&)>& read);
  // The same for each object of a list.
  void Objects(std::string_view name, const std::function<void(JsonReader&)>& read);
  std::vector<std::string> Texts(std::string_view name);
  // An object of names and whole numbers from 0, in its order.
  std::vector<std::pair<std::string, std::uint64_t>> Numbers(std::string_view name);
  // An object of names and lists of texts.
  std::map<std::string, std::vector<std::string>> TextLists(std::string_view name);

  // A fault of the reader's own: "PATH.name: what".
  void Refuse(std::string_view name, std::string_view what);
  // Accepted and not looked at.
  void Ignore(std::string_view name) { known_.emplace(name); }

  // Fields that nobody asked for are faults too.
  Status Finish();

 private:
  const boost::json::value* Take(std::string_view name);
  std::string Named(std::string_view name) const;
  void Absorb(JsonReader& child);

  const boost::json::object& object_;
  const std::string path_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> fault_;
};

}  // namespace freehold::api
