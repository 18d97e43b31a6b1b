// State as JSON: reader and writer of each structure side by side.
#include <boost/json.hpp>
#include <tuple>
#include <type_traits>

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

template <typename T, typename Value>
struct Member {
  const char* name;
  Value T::*value;
};

// Which members a structure has, and their names: the only thing to say of each.
template <typename T>
constexpr auto kMembers = nullptr;
template <>
constexpr auto kMembers<Credential> = std::tuple(Member{"secret", &Credential::sealed_secret},
                                                 Member{"thumbprint", &Credential::thumbprint},
                                                 Member{"n", &Credential::modulus},
                                                 Member{"e", &Credential::exponent},
                                                 Member{"expires", &Credential::expires});
template <>
constexpr auto kMembers<Application> = std::tuple(Member{"id", &Application::id},
                                                  Member{"name", &Application::name},
                                                  Member{"tenant", &Application::tenant},
                                                  Member{"credentials", &Application::credentials});
template <>
constexpr auto kMembers<Tenant> = std::tuple(Member{"id", &Tenant::id},
                                             Member{"name", &Tenant::name},
                                             Member{"principals", &Tenant::principals});
template <>
constexpr auto kMembers<KeyVersion> =
    std::tuple(Member{"id", &KeyVersion::id}, Member{"type", &KeyVersion::type},
               Member{"sealed", &KeyVersion::sealed}, Member{"n", &KeyVersion::modulus},
               Member{"e", &KeyVersion::exponent}, Member{"operations", &KeyVersion::operations},
               Member{"enabled", &KeyVersion::enabled}, Member{"expires", &KeyVersion::expires},
               Member{"not_before", &KeyVersion::not_before},
               Member{"created", &KeyVersion::created}, Member{"updated", &KeyVersion::updated});
template <>
constexpr auto kMembers<Key> = std::tuple(Member{"name", &Key::name},
                                          Member{"versions", &Key::versions},
                                          Member{"tags", &Key::tags},
                                          Member{"rotation_policy", &Key::rotation_policy},
                                          Member{"rotation_updated", &Key::rotation_updated},
                                          Member{"deleted", &Key::deleted});
template <>
constexpr auto kMembers<Vault> = std::tuple(Member{"host", &Vault::host},
                                            Member{"tenant", &Vault::tenant},
                                            Member{"purge_protection", &Vault::purge_protection},
                                            Member{"firewall_denies", &Vault::firewall_denies},
                                            Member{"keys", &Vault::keys},
                                            Member{"deleted_keys", &Vault::deleted_keys});
template <>
constexpr auto kMembers<Assignment> = std::tuple(Member{"role", &Assignment::role},
                                                 Member{"application", &Assignment::application},
                                                 Member{"vault", &Assignment::vault},
                                                 Member{"key", &Assignment::key});
template <>
constexpr auto kMembers<State> = std::tuple(Member{"tenants", &State::tenants},
                                            Member{"applications", &State::applications},
                                            Member{"vaults", &State::vaults},
                                            Member{"assignments", &State::assignments},
                                            Member{"signing_key", &State::sealed_signing_key});

// `Value`: T, or const T.
template <typename F, typename Value>
void Fields(F& f, Value& value) {
  std::apply([&](const auto&... member) { (f.Field(member.name, value.*member.value), ...); },
             kMembers<std::remove_const_t<Value>>);
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
