#include "kms/pkcs11/token.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <vector>

#include "fmt/format.h"
#include "kms/pkcs11/classify.h"
#include "kms/service/secret_file.h"

namespace freehold::pkcs11 {
namespace {

constexpr unsigned long kTagSize = 16;
constexpr unsigned long kMostSlots = 256;

tl::unexpected<KmsFailure> Refused(KmsMeaning meaning, std::string message) {
  return tl::unexpected(OwnFailure(meaning, "PKCS#11", std::move(message)));
}

tl::unexpected<KmsFailure> Failed(const char* operation, CK_RV result) {
  return tl::unexpected(FailureOf(operation, result));
}

// Texts of a token are padded with blanks.
template <std::size_t N>
std::string Unpadded(const unsigned char (&text)[N]) {
  std::string_view view(reinterpret_cast<const char*>(text), N);
  view = view.substr(0, view.find('\0'));
  const auto last = view.find_last_not_of(' ');
  return Printable(last == std::string_view::npos ? "" : view.substr(0, last + 1));
}

bool Fits(const std::string& wanted, const std::string& value) {
  return wanted.empty() || wanted == value;
}

CK_GCM_PARAMS GcmParameters(const Bytes& iv, ByteView associated_data) {
  CK_GCM_PARAMS parameters = {};
  parameters.iv_ptr = const_cast<unsigned char*>(iv.data());
  parameters.iv_len = iv.size();
  parameters.iv_bits = iv.size() * 8;
  parameters.aad_ptr = const_cast<unsigned char*>(associated_data.data());
  parameters.aad_len = associated_data.size();
  parameters.tag_bits = kTagSize * 8;
  return parameters;
}

class ModuleToken : public Token {
 public:
  ~ModuleToken() override {
    if (functions_ != nullptr) {
      if (has_session_) functions_->C_CloseSession(session_);  // and logs out
      if (initialized_) functions_->C_Finalize(nullptr);
    }
    if (library_ != nullptr) dlclose(library_);
  }

  KmsResult<void> Open(const Pkcs11KeyName& key, const Surroundings& surroundings) {
    if (auto done = Load(surroundings.Variable("FREEHOLD_PKCS11_MODULE")); !done) return done;
    if (auto done = FindSlot(key); !done) return done;
    if (auto done = LogIn(surroundings.Variable("FREEHOLD_PKCS11_PIN_FILE")); !done) return done;
    return FindKey(key);
  }

  KmsResult<Bytes> Encrypt(Bytes& iv, ByteView associated_data, ByteView plaintext) override {
    CK_GCM_PARAMS parameters = GcmParameters(iv, associated_data);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
    CK_RV result = functions_->C_EncryptInit(session_, &mechanism, key_);
    if (result != CKR_OK) return Failed("C_EncryptInit", result);
    Bytes ciphertext(plaintext.size() + kTagSize + 16);
    unsigned long size = ciphertext.size();
    result = functions_->C_Encrypt(session_, const_cast<unsigned char*>(plaintext.data()),
                                   plaintext.size(), ciphertext.data(), &size);
    if (result != CKR_OK) return Failed("C_Encrypt", result);
    ciphertext.resize(size);
    return ciphertext;
  }

  KmsResult<SecretBytes> Decrypt(const Bytes& iv, ByteView associated_data,
                                 ByteView ciphertext) override {
    CK_GCM_PARAMS parameters = GcmParameters(iv, associated_data);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
    CK_RV result = functions_->C_DecryptInit(session_, &mechanism, key_);
    if (result != CKR_OK) return Failed("C_DecryptInit", result);
    SecretBytes block(ciphertext.size() + 16);
    unsigned long size = block.size();
    result = functions_->C_Decrypt(session_, const_cast<unsigned char*>(ciphertext.data()),
                                   ciphertext.size(), block.ExposeSecretForWriting().data(), &size);
    if (result != CKR_OK) return Failed("C_Decrypt", result);
    return SecretBytes::CopyOf(block.ExposeSecret().first(size));
  }

  KmsResult<KeyAttributes> Attributes() override {
    CK_BBOOL encrypts = 0, decrypts = 0, sensitive = 0, extractable = 0;
    CK_ATTRIBUTE wanted[] = {{CKA_ENCRYPT, &encrypts, sizeof encrypts},
                             {CKA_DECRYPT, &decrypts, sizeof decrypts},
                             {CKA_SENSITIVE, &sensitive, sizeof sensitive},
                             {CKA_EXTRACTABLE, &extractable, sizeof extractable}};
    const CK_RV result = functions_->C_GetAttributeValue(session_, key_, wanted, 4);
    if (result != CKR_OK) return Failed("C_GetAttributeValue", result);
    KeyAttributes attributes;
    attributes.encrypts = encrypts != 0;
    attributes.decrypts = decrypts != 0;
    attributes.sensitive = sensitive != 0;
    attributes.extractable = extractable != 0;
    attributes.label = std::string(AsText(Octets(CKA_LABEL)));
    attributes.id = Octets(CKA_ID);
    return attributes;
  }

  std::string Name() const override { return name_; }

 private:
  KmsResult<void> Load(const std::string& path) {
    if (path.empty()) {
      return Refused(KmsMeaning::kOurConfiguration, "FREEHOLD_PKCS11_MODULE is not set");
    }
    if (!path.starts_with('/')) {
      return Refused(KmsMeaning::kOurConfiguration,
                     "FREEHOLD_PKCS11_MODULE must be an absolute path");
    }
    library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) return Refused(KmsMeaning::kOurConfiguration, Printable(dlerror()));
    const auto get_functions =
        reinterpret_cast<CK_C_GetFunctionList>(dlsym(library_, "C_GetFunctionList"));
    if (get_functions == nullptr || get_functions(&functions_) != CKR_OK) {
      functions_ = nullptr;
      return Refused(KmsMeaning::kOurConfiguration, fmt::format("{} is no PKCS#11 module", path));
    }
    CK_C_INITIALIZE_ARGS arguments = {};
    arguments.flags = CKF_OS_LOCKING_OK;
    const CK_RV result = functions_->C_Initialize(&arguments);
    if (result != CKR_OK) return Failed("C_Initialize", result);
    initialized_ = true;
    return {};
  }

  KmsResult<void> FindSlot(const Pkcs11KeyName& key) {
    std::vector<CK_SLOT_ID> slots(kMostSlots);
    unsigned long count = slots.size();
    const CK_RV result = functions_->C_GetSlotList(1, slots.data(), &count);
    if (result != CKR_OK) return Failed("C_GetSlotList", result);
    int found = 0;
    for (unsigned long i = 0; i < count; ++i) {
      CK_TOKEN_INFO info = {};
      if (functions_->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
      if (!Fits(key.token, Unpadded(info.label)) ||
          !Fits(key.manufacturer, Unpadded(info.manufacturerID)) ||
          !Fits(key.serial, Unpadded(info.serialNumber)) ||
          !Fits(key.model, Unpadded(info.model))) {
        continue;
      }
      ++found;
      slot_ = slots[i];
      flags_ = info.flags;
      name_ = fmt::format("token {} ({}, serial {})", Unpadded(info.label), Unpadded(info.model),
                          Unpadded(info.serialNumber));
    }
    // Pulled out, switched off, or a network HSM out of reach: nobody has said no.
    if (found == 0) return Refused(KmsMeaning::kNotConnected, "no token fits the key's URI");
    if (found > 1) {
      return Refused(KmsMeaning::kOurConfiguration,
                     fmt::format("{} tokens fit the key's URI: give serial= too", found));
    }
    return {};
  }

  KmsResult<void> LogIn(const std::string& pin_file) {
    CK_RV result =
        functions_->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &session_);
    if (result != CKR_OK) return Failed("C_OpenSession", result);
    has_session_ = true;
    if ((flags_ & CKF_LOGIN_REQUIRED) == 0) return {};
    if (pin_file.empty()) {
      return Refused(KmsMeaning::kOurConfiguration, "FREEHOLD_PKCS11_PIN_FILE is not set");
    }
    if ((flags_ & CKF_USER_PIN_FINAL_TRY) != 0) {
      return Refused(KmsMeaning::kTrustWithdrawn,
                     "the PIN was wrong so often that the next failure locks the token: "
                     "it is not tried any more");
    }
    auto pin = ReadSecretFile(pin_file);
    if (!pin.ok()) return Refused(KmsMeaning::kOurConfiguration, pin.error().message());
    const MutableByteView digits = pin->ExposeSecretForWriting();
    result = functions_->C_Login(session_, CKU_USER, digits.data(), digits.size());
    if (result != CKR_OK && result != CKR_USER_ALREADY_LOGGED_IN) return Failed("C_Login", result);
    return {};
  }

  KmsResult<void> FindKey(const Pkcs11KeyName& key) {
    CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    std::vector<CK_ATTRIBUTE> wanted = {{CKA_CLASS, &object_class, sizeof object_class},
                                        {CKA_KEY_TYPE, &type, sizeof type}};
    if (!key.object.empty()) {
      wanted.push_back({CKA_LABEL, const_cast<char*>(key.object.data()), key.object.size()});
    }
    if (!key.id.empty()) {
      wanted.push_back({CKA_ID, const_cast<std::uint8_t*>(key.id.data()), key.id.size()});
    }
    CK_RV result = functions_->C_FindObjectsInit(session_, wanted.data(), wanted.size());
    if (result != CKR_OK) return Failed("C_FindObjectsInit", result);
    CK_OBJECT_HANDLE handles[2];
    unsigned long count = 0;
    result = functions_->C_FindObjects(session_, handles, 2, &count);
    functions_->C_FindObjectsFinal(session_);
    if (result != CKR_OK) return Failed("C_FindObjects", result);
    if (count == 0)
      return Refused(KmsMeaning::kKeyMissing, fmt::format("{} has no such AES key", name_));
    if (count > 1) {
      return Refused(KmsMeaning::kOurConfiguration,
                     "two keys fit the key's URI: give object= and id=");
    }
    key_ = handles[0];
    return {};
  }

  Bytes Octets(CK_ATTRIBUTE_TYPE type) {
    Bytes value(256);
    CK_ATTRIBUTE wanted = {type, value.data(), value.size()};
    if (functions_->C_GetAttributeValue(session_, key_, &wanted, 1) != CKR_OK) return {};
    value.resize(std::min<std::size_t>(wanted.ulValueLen, value.size()));
    return value;
  }

  void* library_ = nullptr;
  CK_FUNCTION_LIST_PTR functions_ = nullptr;
  bool initialized_ = false;
  bool has_session_ = false;
  CK_SLOT_ID slot_ = 0;
  CK_FLAGS flags_ = 0;
  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
  std::string name_;
};

}  // namespace

KmsResult<std::unique_ptr<Token>> OpenToken(const Pkcs11KeyName& key,
                                            const Surroundings& surroundings) {
  auto token = std::make_unique<ModuleToken>();
  if (auto opened = token->Open(key, surroundings); !opened.has_value()) {
    return tl::unexpected(opened.error());
  }
  return std::unique_ptr<Token>(std::move(token));
}

}  // namespace freehold::pkcs11
