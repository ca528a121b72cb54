#include "reference/files/tensors/narrow_type.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace ringattn {

namespace {

template <class Number>
double decode_integer(const std::byte* number) {
  Number x{};
  std::memcpy(&x, number, sizeof x);
  return static_cast<double>(x);
}

double decode_boolean(const std::byte* number) { return *number == std::byte{0} ? 0 : 1; }

// Sign, 4 bits of exponent, 3 of significand; no infinities (Micikevicius et al., FP8 Formats for Deep Learning,
// arXiv:2209.05433, table 1)
double decode_e4m3(const std::byte* number) {
  const auto bits = std::to_integer<unsigned>(*number);
  const unsigned exponent = bits >> 3 & 0xf, significand = bits & 7;
  double x = exponent == 0 ? std::ldexp(significand, -9)
                           : std::ldexp(8 + significand, static_cast<int>(exponent) - 10);
  if ((bits & 0x7f) == 0x7f) x = std::numeric_limits<double>::quiet_NaN();
  return bits & 0x80 ? -x : x;
}

// The upper half of an f16 (the same)
double decode_e5m2(const std::byte* number) {
  const auto bits = static_cast<std::uint16_t>(std::to_integer<unsigned>(*number) << 8);
  return static_cast<double>(static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(bits)));
}

constexpr NarrowType narrow_types[] = {
    {"I32", "<i4", "Int", 4, Dtype::i64, decode_integer<std::int32_t>},
    {type_of_masks, "|b1", "Bool", 1, Dtype::i64, decode_boolean},
    {type_of_i8, "|i1", "Char", 1, Dtype::f32, decode_integer<std::int8_t>},
    {type_of_e4m3, "", "Float8_e4m3fn", 1, Dtype::f32, decode_e4m3},
    {type_of_e5m2, "", "Float8_e5m2", 1, Dtype::f32, decode_e5m2}};

const NarrowType* find(std::string_view NarrowType::*format, std::string_view name) {
  for (const NarrowType& type : narrow_types)
    if (!name.empty() && type.*format == name) return &type;
  return nullptr;
}

template <class Wide>
std::vector<std::byte> widened_to(const NarrowType& type, const std::vector<std::byte>& numbers) {
  const std::size_t count = numbers.size() / static_cast<std::size_t>(type.bytes);
  std::vector<std::byte> wide(count * sizeof(Wide));
  for (std::size_t n = 0; n < count; ++n) {
    const auto x = static_cast<Wide>(type.decode(numbers.data() + n * static_cast<std::size_t>(type.bytes)));
    std::memcpy(wide.data() + n * sizeof x, &x, sizeof x);
  }
  return wide;
}

}  // namespace

std::vector<std::byte> NarrowType::widen(const std::vector<std::byte>& numbers) const {
  return widened == Dtype::i64 ? widened_to<std::int64_t>(*this, numbers) : widened_to<float>(*this, numbers);
}

const NarrowType* narrow_type_in_safetensors(std::string_view name) {
  return find(&NarrowType::in_safetensors, name);
}
const NarrowType* narrow_type_in_npy(std::string_view name) { return find(&NarrowType::in_npy, name); }
const NarrowType* narrow_type_in_torch(std::string_view name) { return find(&NarrowType::in_torch, name); }

}  // namespace ringattn
