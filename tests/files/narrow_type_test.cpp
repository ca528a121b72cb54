// Types of numbers that are widened when they are read: each number keeps its value.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "reference/files/tensors/narrow_type.h"

using namespace ringattn;

namespace {

// The numbers of the bytes 0 to 255 in a type of 8 bits
template <class Wide>
std::vector<Wide> all_numbers(std::string_view name) {
  std::vector<std::byte> bytes;
  for (int n = 0; n < 256; ++n) bytes.push_back(static_cast<std::byte>(n));
  const std::vector<std::byte> wide = narrow_type_in_safetensors(name)->widen(bytes);
  std::vector<Wide> numbers(256);
  REQUIRE(wide.size() == 256 * sizeof(Wide));
  std::memcpy(numbers.data(), wide.data(), wide.size());
  return numbers;
}

// Checks a type with a sign, _exponent_bits_ and _significand_bits_, whose largest number has the byte _last_
void check_floats(std::string_view name, int exponent_bits, int significand_bits, int last, double largest) {
  const std::vector<float> numbers = all_numbers<float>(name);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  for (int byte = 0; byte <= last; ++byte) {
    // Significand 1.f times 2^(exponent - bias), or 0.f times 2^(1 - bias)
    const int exponent = byte >> significand_bits, fraction = byte & ((1 << significand_bits) - 1);
    const double significand = fraction + (exponent > 0 ? 1 << significand_bits : 0);
    const double expected = std::ldexp(significand, std::max(exponent, 1) - bias - significand_bits);
    CAPTURE(byte);
    CHECK(static_cast<double>(numbers[static_cast<std::size_t>(byte)]) == expected);
    CHECK(static_cast<double>(numbers[static_cast<std::size_t>(byte + 128)]) == -expected);
  }
  CHECK(static_cast<double>(numbers[static_cast<std::size_t>(last)]) == largest);
  CHECK(std::isnan(numbers[127]));
  CHECK(std::isnan(numbers[255]));
}

}  // namespace

TEST_CASE("floats of 8 bits become the floats of 32 bits with the same value") {
  check_floats("F8_E4M3", 4, 3, 0x7e, 448);
  check_floats("F8_E5M2", 5, 2, 0x7b, 57344);
  CHECK(all_numbers<float>("F8_E5M2")[0x7c] == std::numeric_limits<float>::infinity());
}

TEST_CASE("integers of 8 bits become floats, and booleans become 0 and 1") {
  const std::vector<float> integers = all_numbers<float>("I8");
  const std::vector<std::int64_t> booleans = all_numbers<std::int64_t>("BOOL");
  for (int byte = 0; byte < 256; ++byte) {
    const auto n = static_cast<std::size_t>(byte);
    CHECK(static_cast<double>(integers[n]) == (byte < 128 ? byte : byte - 256));
    CHECK(booleans[n] == (byte == 0 ? 0 : 1));
  }
}
