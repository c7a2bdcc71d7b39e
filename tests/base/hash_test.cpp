// Hashes against published vectors. Those of XXH3 and XXH64 are from xxHash's own sanity test; those of SHA-256 from FIPS 180-4's
// examples and NIST's byte-oriented short and long message sets; mix64, combine64 and hash_id were computed by a Python model.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.hpp"
#include "catch.hpp"
#include "kthena/base/hash.hpp"

using namespace kthena;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// The buffer of xxHash's sanity test.
std::vector<std::byte> sanity_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint64_t generator = 2654435761u;
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(generator >> 56);
    generator *= 11400714785074694797ull;
  }
  return bytes;
}

std::string hex(const std::array<std::uint8_t, 32>& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

TEST_CASE("XXH3: xxHash's sanity vectors", "[base]") {
  struct Vector {
    std::size_t size;
    std::uint64_t seed_0;
    std::uint64_t seed_prime64;
  };
  const Vector vectors[] = {
      {0, 0x2D06800538D394C2, 0xA8A6B918B2F0364A},    {1, 0xC44BDFF4074EECDB, 0x032BE332DD766EF8},
      {6, 0x27B56A84CD2D7325, 0x84589C116AB59AB9},    {12, 0xA713DAF0DFBB77E7, 0xE7303E1B2336DE0E},
      {24, 0xA3FE70BF9D3510EB, 0x850E80FC35BDD690},   {48, 0x397DA259ECBA1F11, 0xADC2CBAA44ACC616},
      {80, 0xBCDEFBBB2C47C90A, 0xC6DD0CB699532E73},   {195, 0xCD94217EE362EC3A, 0xBA68003D370CB3D9},
      {403, 0xCDEB804D65C6DEA4, 0x6259F6ECFD6443FD},  {512, 0x617E49599013CB6B, 0x3CE457DE14C27708},
      {2048, 0xDD59E2C3A5F038E0, 0x66F81670669ABABC},
  };
  for (const Vector& vector : vectors) {
    INFO(vector.size << " bytes");
    CHECK(xxh3_64(sanity_bytes(vector.size), 0) == vector.seed_0);
    CHECK(xxh3_64(sanity_bytes(vector.size), 0x9E3779B185EBCA8Dull) == vector.seed_prime64);
  }
}

TEST_CASE("XXH64: xxHash's sanity vectors and known strings", "[base]") {
  struct Vector {
    std::size_t size;
    std::uint64_t seed_0;
    std::uint64_t seed_prime32;
  };
  const Vector vectors[] = {
      {0, 0xEF46DB3751D8E999, 0xAC75FDA2929B17EF},   {1, 0xE934A84ADB052768, 0x5014607643A9B4C3},
      {4, 0x9136A0DCA57457EE, 0xCAAB286BD8E9FDB5},   {14, 0x8282DCC4994E35C8, 0xC3BD6BF63DEB6DF0},
      {222, 0xB641AE8CB691C174, 0x20CB8AB7AE10C14A},
  };
  for (const Vector& vector : vectors) {
    INFO(vector.size << " bytes");
    CHECK(xxh64(sanity_bytes(vector.size), 0) == vector.seed_0);
    CHECK(xxh64(sanity_bytes(vector.size), 2654435761u) == vector.seed_prime32);
  }
  CHECK(xxh64(bytes_of("abc"), 0) == 0x44BC2CF5AD770999ull);
  CHECK(xxh64(bytes_of("test-model"), 0) == 3725054772343846052ull);  // pinned by Kthena's prefix-cache test
}

TEST_CASE("SHA-256: FIPS 180-4 and NIST vectors", "[base]") {
  CHECK(hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256(bytes_of("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(sha256(bytes_of(
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
            "nopqrstu"))) == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(hex(sha256(bytes_of(std::string(1'000'000, 'a')))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const unsigned char one[] = {0xD3};
  CHECK(hex(sha256(std::as_bytes(std::span(one)))) ==
        "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
}

TEST_CASE("SHA-256: the padding at every length around a block", "[base]") {
  // Digest of the digests of 0..200 bytes of 'x': computed with Python's hashlib.
  detail::Sha256 all;
  for (std::size_t size = 0; size <= 200; ++size) {
    const auto digest = sha256(bytes_of(std::string(size, 'x')));
    all.update(std::as_bytes(std::span(digest)));
  }
  CHECK(hex(all.finish()) == "2e9fcf76499976b60177466c31b8ab5caa7d4c6dd8dd97c8ce7b574af689ec94");
}

TEST_CASE("SHA-256: bytes may come in any pieces", "[base]") {
  const std::vector<std::byte> bytes = sanity_bytes(1000);
  const std::string expected = hex(sha256(bytes));
  for (std::size_t piece = 1; piece <= 200; ++piece) {
    detail::Sha256 sha;
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      const std::size_t taken = std::min(piece, rest.size());
      sha.update(rest.first(taken));
      rest = rest.subspan(taken);
    }
    CHECK(hex(sha.finish()) == expected);
  }
}

TEST_CASE("mix64, combine64 and hash_id are the same in every language", "[base]") {
  CHECK(mix64(0) == 0);
  CHECK(mix64(1) == 0x5692161D100B05E5ull);
  CHECK(mix64(2) == 0xDBD238973A2B148Aull);
  CHECK(mix64(0x123456789ABCDEF0ull) == 0x9629F58E8EC5B906ull);
  CHECK(mix64(~0ull) == 0xB4D055FCF2CBBD7Bull);
  CHECK(combine64(0, 0) == 0);
  CHECK(combine64(1, 2) == 0x975835DE1C9756CEull);
  CHECK(combine64(2, 1) == 0xBEEB8DA1658EEC67ull);
  CHECK(combine64(~0ull, ~0ull) == 0xDE0A564CBCD060C4ull);
  CHECK(hash_id("") == 0xF52A15E9A9B5E89Bull);
  CHECK(hash_id("a") == 0x02C0BDBF481420F8ull);
  CHECK(hash_id("\xC3\xA9") == 0x233403617480019Eull);  // bytes above 127 are not sign-extended
  CHECK(hash_id("engine-0") == 0x5681DB4FB426580Dull);
}

TEST_CASE("mix64 moves every output bit with every input bit", "[base]") {
  // Over 4,096 inputs each of the 64 x 64 flips should happen about half the time: within 6 standard deviations (192) of 2,048.
  std::vector<int> flips(64 * 64);
  std::uint64_t x = 1;
  for (int i = 0; i < 4096; ++i) {
    x = x * 6364136223846793005ull + 1442695040888963407ull;
    for (std::size_t in = 0; in < 64; ++in) {
      const std::uint64_t moved = mix64(x) ^ mix64(x ^ (1ull << in));
      for (std::size_t out = 0; out < 64; ++out) flips[64 * in + out] += static_cast<int>(moved >> out & 1);
    }
  }
  for (const int count : flips) {
    REQUIRE(count > 2048 - 192);
    REQUIRE(count < 2048 + 192);
  }
}
