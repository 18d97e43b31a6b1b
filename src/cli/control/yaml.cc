#include "cli/control/yaml.h"

#include <yaml.h>

#include <boost/json.hpp>
#include <charconv>
#include <string>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr int kDeepest = 16;

class Event {
 public:
  Event() = default;
  ~Event() { yaml_event_delete(&event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  yaml_event_t* get() { return &event_; }
  yaml_event_type_t type() const { return event_.type; }
  std::size_t line() const { return event_.start_mark.line + 1; }
  const yaml_event_t& operator*() const { return event_; }

 private:
  yaml_event_t event_{};
};

class Parser {
 public:
  Parser(std::string_view text, std::string_view what) : what_(what) {
    started_ = yaml_parser_initialize(&parser_) == 1;
    // libyaml ends the process at a null pointer, which an empty text may have.
    if (text.empty()) text = std::string_view("", 0);
    if (started_) yaml_parser_set_input_string(&parser_, AsBytes(text).data(), text.size());
  }
  ~Parser() {
    if (started_) yaml_parser_delete(&parser_);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  Result<json::value> Document() {
    if (!started_) return Error(ErrorCode::kInternal, "libyaml does not start");
    TRY(Expect(YAML_STREAM_START_EVENT));
    TRY(Expect(YAML_DOCUMENT_START_EVENT));
    Event first;
    TRY(Next(first));
    json::value value = TRY(Value(first, 0));
    TRY(Expect(YAML_DOCUMENT_END_EVENT));
    TRY(Expect(YAML_STREAM_END_EVENT));
    return value;
  }

 private:
  Error Bad(std::size_t line, std::string_view why) const {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}, line {}: {}", what_, line, why));
  }

  Status Next(Event& event) {
    if (yaml_parser_parse(&parser_, event.get()) == 1) return {};
    const char* why = parser_.problem == nullptr ? "is no YAML" : parser_.problem;
    return Bad(parser_.problem_mark.line + 1, why);
  }

  Status Expect(yaml_event_type_t type) {
    Event event;
    TRY(Next(event));
    if (event.type() == type) return {};
    return Bad(event.line(),
               type == YAML_STREAM_END_EVENT ? "a second document" : "there is nothing in it");
  }

  Result<json::value> Value(const Event& event, int depth) {
    if (depth > kDeepest) return Bad(event.line(), "is nested too deeply");
    switch (event.type()) {
      case YAML_SCALAR_EVENT:
        return Scalar(event);
      case YAML_SEQUENCE_START_EVENT:
        TRY(RefuseDecoration(event, (*event).data.sequence_start.anchor,
                             (*event).data.sequence_start.tag));
        return List(depth);
      case YAML_MAPPING_START_EVENT:
        TRY(RefuseDecoration(event, (*event).data.mapping_start.anchor,
                             (*event).data.mapping_start.tag));
        return Map(depth);
      default:
        return Bad(event.line(), "aliases are not read");
    }
  }

  Status RefuseDecoration(const Event& event, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr) return Bad(event.line(), "anchors are not read");
    if (tag != nullptr) return Bad(event.line(), "tags are not read");
    return {};
  }

  static std::string TextOf(const Event& event) {
    const auto& scalar = (*event).data.scalar;
    return std::string(AsText({scalar.value, scalar.length}));
  }

  Result<json::value> Scalar(const Event& event) {
    const auto& scalar = (*event).data.scalar;
    TRY(RefuseDecoration(event, scalar.anchor, scalar.tag));
    const std::string text = TextOf(event);
    if (scalar.style != YAML_PLAIN_SCALAR_STYLE) return json::value(text);
    if (text.empty() || text == "~" || text == "null") return json::value(nullptr);
    if (text == "true") return json::value(true);
    if (text == "false") return json::value(false);
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    // A leading zero is part of an account's number, and not of a number.
    const bool canonical = failure == std::errc() && end == text.data() + text.size() &&
                           std::to_string(number) == text;
    if (canonical) return json::value(number);
    return json::value(text);
  }

  Result<json::value> List(int depth) {
    json::array list;
    for (;;) {
      Event event;
      TRY(Next(event));
      if (event.type() == YAML_SEQUENCE_END_EVENT) return json::value(std::move(list));
      list.push_back(TRY(Value(event, depth + 1)));
    }
  }

  Result<json::value> Map(int depth) {
    json::object map;
    for (;;) {
      Event name;
      TRY(Next(name));
      if (name.type() == YAML_MAPPING_END_EVENT) return json::value(std::move(map));
      if (name.type() != YAML_SCALAR_EVENT) return Bad(name.line(), "a name must be a text");
      const auto& scalar = (*name).data.scalar;
      TRY(RefuseDecoration(name, scalar.anchor, scalar.tag));
      const std::string text = TextOf(name);
      if (map.contains(text)) {
        return Bad(name.line(), fmt::format("'{}' is there twice", Printable(text)));
      }
      Event event;
      TRY(Next(event));
      map[text] = TRY(Value(event, depth + 1));
    }
  }

  const std::string what_;
  yaml_parser_t parser_{};
  bool started_ = false;
};

}  // namespace

Result<json::value> ParseYaml(std::string_view text, std::string_view what) {
  return Parser(text, what).Document();
}

}  // namespace freehold::cli
