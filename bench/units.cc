// freehold_bench_units ROUNDS: units of 4 KiB through crypto/ and format/, beside the least that
// can be done: one OpenSSL context that is reused, with only the tweak set.
//
// Each line is a round: a name and the CPU time of a unit in nanoseconds, in random order. The
// buffers fit into the processor's second cache, as those of one request do.
#include "format/units.h"

#include <openssl/evp.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "crypto/crypto.h"
#include "crypto/unit_cipher.h"

namespace freehold {
namespace {

constexpr std::size_t kUnits = 32;  // a run of 128 KiB
constexpr int kRuns = 200;

struct Case {
  std::string name;
  std::function<bool()> run;  // all units once
};

EVP_CIPHER_CTX* NewContext(const EVP_CIPHER* cipher, const SecretBytes& key, int encrypt) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CipherInit_ex2(context, cipher, key.ExposeSecret().data(), nullptr, encrypt, nullptr);
  return context;
}

bool ReuseContext(EVP_CIPHER_CTX* context, ByteView in, MutableByteView out) {
  for (std::uint64_t unit = 0; unit < kUnits; ++unit) {
    std::uint8_t tweak[16] = {static_cast<std::uint8_t>(unit)};
    int n = 0;
    if (EVP_CipherInit_ex2(context, nullptr, nullptr, tweak, -1, nullptr) != 1) return false;
    if (EVP_CipherUpdate(context, out.data() + unit * kUnitSize, &n, in.data() + unit * kUnitSize,
                         kUnitSize) != 1) {
      return false;
    }
  }
  return true;
}

// Of this thread, so that others that want the processor do not count.
double CpuNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double NanosecondsForEachUnit(const Case& each) {
  const double start = CpuNanoseconds();
  for (int i = 0; i < kRuns; ++i) {
    if (!each.run()) std::abort();
  }
  return (CpuNanoseconds() - start) / (kRuns * kUnits);
}

int Run(int rounds) {
  const SecretBytes key = RandomSecret(kXtsKeySize);
  const EVP_CIPHER* xts = EVP_CIPHER_fetch(nullptr, "AES-256-XTS", nullptr);
  EVP_CIPHER_CTX* encryptor = NewContext(xts, key, 1);
  EVP_CIPHER_CTX* decryptor = NewContext(xts, key, 0);
  auto cipher = NewXtsCipher(key);
  if (!cipher.ok()) return 1;
  Bytes data = RandomBytes(kUnits * kUnitSize);
  const MutableByteView all(data);

  std::vector<Case> cases = {
      {"openssl-encrypt", [&] { return ReuseContext(encryptor, all, all); }},
      {"openssl-decrypt", [&] { return ReuseContext(decryptor, all, all); }},
      {"encrypt", [&] { return (*cipher)->Encrypt(0, all, all).ok(); }},
      {"decrypt", [&] { return (*cipher)->Decrypt(0, all, all).ok(); }},
      {"decode", [&] { return DecodeRun(**cipher, 0, all).ok(); }},  // with the rule for zeros
  };
  std::mt19937 order(std::random_device{}());
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(cases.begin(), cases.end(), order);
    for (const Case& each : cases) {
      std::printf("%s %.1f ", each.name.c_str(), NanosecondsForEachUnit(each));
    }
    std::puts("");
  }
  EVP_CIPHER_CTX_free(encryptor);
  EVP_CIPHER_CTX_free(decryptor);
  return 0;
}

}  // namespace
}  // namespace freehold

int main(int argc, char** argv) { return freehold::Run(argc > 1 ? std::atoi(argv[1]) : 100); }
