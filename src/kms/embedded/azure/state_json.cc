// State as JSON: reader and writer of each structure side by side.
#include <boost/json.hpp>

#include "kms/embedded/azure/state.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

std::int64_t Seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
}

// Both ways over the same list of fields, so that neither forgets one.
class Writer {
 public:
  void Field(const char* name, const std::string& value) { object_[name] = value; }
  void Field(const char* name, const Bytes& value) { object_[name] = Base64Encode(value); }
  void Field(const char* name, bool value) { object_[name] = value; }
  void Field(const char* name, WallTime value) { object_[name] = Seconds(value); }
  void Field(const char* name, const std::optional<WallTime>& value) {
    if (value) object_[name] = Seconds(*value);
  }
  void Field(const char* name, const std::vector<std::string>& value) {
    object_[name] = json::array(value.begin(), value.end());
  }
  void Field(const char* name, const std::map<std::string, std::string>& value) {
    json::object object;
    for (const auto& [key, text] : value) object[key] = text;
    object_[name] = std::move(object);
  }
  template <typename T>
  void Field(const char* name, const std::vector<T>& list);
  template <typename T>
  void Field(const char* name, const std::map<std::string, T>& map);
  json::object Take() { return std::move(object_); }

 private:
  json::object object_;
};

// Throws what json and this class throw; DecodeState catches.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}
  void Field(const char* name, std::string& value) {
    value = std::string(object_.at(name).as_string());
  }
  void Field(const char* name, Bytes& value) {
    auto bytes = Base64Decode(std::string_view(object_.at(name).as_string()));
    if (!bytes.ok()) throw std::runtime_error(name);
    value = *std::move(bytes);
  }
  void Field(const char* name, bool& value) { value = object_.at(name).as_bool(); }
  void Field(const char* name, WallTime& value) {
    value = WallTime{std::chrono::seconds(object_.at(name).as_int64())};
  }
  void Field(const char* name, std::optional<WallTime>& value) {
    if (const auto* found = object_.if_contains(name)) {
      value = WallTime{std::chrono::seconds(found->as_int64())};
    }
  }
  void Field(const char* name, std::vector<std::string>& value) {
    for (const auto& each : object_.at(name).as_array()) value.emplace_back(each.as_string());
  }
  void Field(const char* name, std::map<std::string, std::string>& value) {
    for (const auto& [key, each] : object_.at(name).as_object()) value[key] = each.as_string();
  }
  template <typename T>
  void Field(const char* name, std::vector<T>& list);
  template <typename T>
  void Field(const char* name, std::map<std::string, T>& map);

 private:
  const json::object& object_;
};

template <typename F>
void Fields(F& f, auto& c) requires requires {
  c.sealed_secret;
}
{
  f.Field("secret", c.sealed_secret);
  f.Field("thumbprint", c.thumbprint);
  f.Field("n", c.modulus);
  f.Field("e", c.exponent);
  f.Field("expires", c.expires);
}

template <typename F>
void Fields(F& f, auto& a) requires requires {
  a.credentials;
}
{
  f.Field("id", a.id);
  f.Field("name", a.name);
  f.Field("tenant", a.tenant);
  f.Field("credentials", a.credentials);
}

template <typename F>
void Fields(F& f, auto& t) requires requires {
  t.principals;
}
{
  f.Field("id", t.id);
  f.Field("name", t.name);
  f.Field("principals", t.principals);
}

template <typename F>
void Fields(F& f, auto& v) requires requires {
  v.not_before;
}
{
  f.Field("id", v.id);
  f.Field("type", v.type);
  f.Field("sealed", v.sealed);
  f.Field("n", v.modulus);
  f.Field("e", v.exponent);
  f.Field("operations", v.operations);
  f.Field("enabled", v.enabled);
  f.Field("expires", v.expires);
  f.Field("not_before", v.not_before);
  f.Field("created", v.created);
  f.Field("updated", v.updated);
}

template <typename F>
void Fields(F& f, auto& k) requires requires {
  k.rotation_policy;
}
{
  f.Field("name", k.name);
  f.Field("versions", k.versions);
  f.Field("tags", k.tags);
  f.Field("rotation_policy", k.rotation_policy);
  f.Field("rotation_updated", k.rotation_updated);
  f.Field("deleted", k.deleted);
}

template <typename F>
void Fields(F& f, auto& v) requires requires {
  v.purge_protection;
}
{
  f.Field("host", v.host);
  f.Field("tenant", v.tenant);
  f.Field("purge_protection", v.purge_protection);
  f.Field("firewall_denies", v.firewall_denies);
  f.Field("keys", v.keys);
  f.Field("deleted_keys", v.deleted_keys);
}

template <typename F>
void Fields(F& f, auto& a) requires requires {
  a.role;
}
{
  f.Field("role", a.role);
  f.Field("application", a.application);
  f.Field("vault", a.vault);
  f.Field("key", a.key);
}

template <typename F>
void Fields(F& f, auto& s) requires requires {
  s.sealed_signing_key;
}
{
  f.Field("tenants", s.tenants);
  f.Field("applications", s.applications);
  f.Field("vaults", s.vaults);
  f.Field("assignments", s.assignments);
  f.Field("signing_key", s.sealed_signing_key);
}

template <typename T>
json::object Written(const T& value) {
  Writer writer;
  Fields(writer, value);
  return writer.Take();
}

template <typename T>
T Read(const json::value& value) {
  T read;
  Reader reader(value.as_object());
  Fields(reader, read);
  return read;
}

template <typename T>
void Writer::Field(const char* name, const std::vector<T>& list) {
  json::array array;
  for (const T& each : list) array.emplace_back(Written(each));
  object_[name] = std::move(array);
}

template <typename T>
void Writer::Field(const char* name, const std::map<std::string, T>& map) {
  json::object object;
  for (const auto& [key, each] : map) object[key] = Written(each);
  object_[name] = std::move(object);
}

template <typename T>
void Reader::Field(const char* name, std::vector<T>& list) {
  for (const auto& each : object_.at(name).as_array()) list.push_back(Read<T>(each));
}

template <typename T>
void Reader::Field(const char* name, std::map<std::string, T>& map) {
  for (const auto& [key, each] : object_.at(name).as_object()) map[key] = Read<T>(each);
}

}  // namespace

std::string EncodeState(const State& state) { return json::serialize(Written(state)) + "\n"; }

Result<State> DecodeState(std::string_view text) {
  try {
    State state = Read<State>(json::parse({text.data(), text.size()}));
    for (const auto& [host, vault] : state.vaults) {
      for (const Keys* keys : {&vault.keys, &vault.deleted_keys}) {
        for (const auto& [name, key] : *keys) {
          if (key.versions.empty()) throw std::runtime_error("a key without a version");
        }
      }
    }
    return state;
  } catch (const std::exception& e) {
    return Error(ErrorCode::kFileCorrupt,
                 std::string("the state of the Azure dialect cannot be read: ") + e.what());
  }
}

}  // namespace freehold::embedded::azure
