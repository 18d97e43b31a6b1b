// Archive: a structure's fields written down once, for both ways between it and JSON.
//
//   template <typename Archive>
//   void Fields(Archive& archive, Project& project) {
//     archive("name", project.name);
//     archive("keys", project.keys);      // a list of structures that have Fields of their own
//   }
//
// For what Freehold writes for itself: the store's records, and what servers and agents tell each
// other. A field that is not there keeps its value, and one that is not known is passed over, so
// that neighbouring releases read each other. Errors: kIo for a body that is no such structure.
// Threads: values.
#pragma once

#include <array>
#include <boost/json.hpp>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "fmt/format.h"

namespace freehold::api {

// How many values an enum has, counted from 0; each enum that is stored has a specialization.
template <typename T>
inline constexpr int kEnumCount = 0;

class JsonWriter {
 public:
  template <typename T>
  void operator()(const char* name, T& value) {
    object_[name] = ValueOf(value);
  }
  boost::json::object Take() { return std::move(object_); }

 private:
  static boost::json::value ValueOf(std::string& text) { return boost::json::string(text); }
  static boost::json::value ValueOf(bool& value) { return value; }
  static boost::json::value ValueOf(std::uint64_t& number) { return number; }
  static boost::json::value ValueOf(WallTime& time) { return time.since_epoch.count(); }
  static boost::json::value ValueOf(Duration& duration) { return duration.count(); }
  template <typename T>
  static boost::json::value ValueOf(std::optional<T>& value) {
    return value.has_value() ? ValueOf(*value) : boost::json::value(nullptr);
  }
  template <typename T>
  static boost::json::value ValueOf(std::vector<T>& list) {
    boost::json::array array;
    for (T& item : list) array.push_back(ValueOf(item));
    return array;
  }
  template <typename T>
  static boost::json::value ValueOf(std::map<std::string, T>& map) {
    boost::json::object object;
    for (auto& [name, value] : map) object[name] = ValueOf(value);
    return object;
  }
  template <typename T>
  static boost::json::value ValueOf(T& value) {
    if constexpr (std::is_enum_v<T>) {
      return boost::json::string(NameOf(value));
    } else {
      JsonWriter writer;
      Fields(writer, value);
      return writer.Take();
    }
  }

  boost::json::object object_;
};

// Throws std::exception for a wrong shape; DecodeBody is where that ends.
class JsonBodyReader {
 public:
  explicit JsonBodyReader(const boost::json::object& object) : object_(object) {}

  template <typename T>
  void operator()(const char* name, T& value) {
    if (const boost::json::value* found = object_.if_contains(name)) Take(*found, value);
  }

 private:
  static void Take(const boost::json::value& from, std::string& text) { text = from.as_string(); }
  static void Take(const boost::json::value& from, bool& value) { value = from.as_bool(); }
  static void Take(const boost::json::value& from, std::uint64_t& number) {
    number = from.to_number<std::uint64_t>();
  }
  static void Take(const boost::json::value& from, WallTime& time) {
    time = WallTime{Duration(from.to_number<std::int64_t>())};
  }
  static void Take(const boost::json::value& from, Duration& duration) {
    duration = Duration(from.to_number<std::int64_t>());
  }
  template <typename T>
  static void Take(const boost::json::value& from, std::optional<T>& value) {
    value.reset();
    if (!from.is_null()) Take(from, value.emplace());
  }
  template <typename T>
  static void Take(const boost::json::value& from, std::vector<T>& list) {
    list.clear();
    for (const boost::json::value& item : from.as_array()) Take(item, list.emplace_back());
  }
  template <typename T>
  static void Take(const boost::json::value& from, std::map<std::string, T>& map) {
    map.clear();
    for (const auto& item : from.as_object()) Take(item.value(), map[std::string(item.key())]);
  }
  template <typename T>
  static void Take(const boost::json::value& from, T& value) {
    if constexpr (std::is_enum_v<T>) {
      value = Named<T>(std::string_view(from.as_string()));
    } else {
      JsonBodyReader reader(from.as_object());
      Fields(reader, value);
    }
  }

  template <typename T>
  static T Named(std::string_view name) {
    static_assert(kEnumCount<T> > 0);
    for (int i = 0; i < kEnumCount<T>; ++i) {
      if (NameOf(static_cast<T>(i)) == name) return static_cast<T>(i);
    }
    throw std::invalid_argument("unknown name " + std::string(name));
  }

  const boost::json::object& object_;
};

template <typename T>
std::string EncodeBody(const T& value) {
  JsonWriter writer;
  Fields(writer, const_cast<T&>(value));  // a writer changes nothing
  return boost::json::serialize(writer.Take());
}

// `what` names it in the sentence: "a record of the store".
template <typename T>
Result<T> DecodeBody(std::string_view body, std::string_view what) try {
  std::array<unsigned char, 8192> room;  // enough for most; nothing of it is freed one by one
  boost::json::monotonic_resource memory(room.data(), room.size());
  const boost::json::value parsed = boost::json::parse(body, &memory);
  T value;
  JsonBodyReader reader(parsed.as_object());
  Fields(reader, value);
  return value;
} catch (const std::exception& failure) {
  return Error(ErrorCode::kIo,
               fmt::format("{} cannot be read: {}", what, Printable(failure.what())));
}

}  // namespace freehold::api
