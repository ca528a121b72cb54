#include "reference/oracle/catalogue/variant.h"

#include <algorithm>
#include <stdexcept>

namespace ringattn {

Index Variant::operator[](std::string_view name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  if (found == parameters_.end())
    throw std::logic_error("[variant] the variant has no parameter " + std::string(name));
  return found->value;
}

std::string Variant::describe() const {
  std::string text;
  for (const Parameter& parameter : parameters_)
    text += (text.empty() ? "" : ", ") + parameter.name + " = " + parameter.text;
  return text;
}

Variant Variant::operator+(const Variant& other) const {
  Variant both = *this;
  both.parameters_.insert(both.parameters_.end(), other.parameters_.begin(), other.parameters_.end());
  return both;
}

Variants single_variant() { return {Variant()}; }

Variants each_of(const std::string& name, Index begin, Index end) {
  Variants variants;
  for (Index value = begin; value < end; ++value)
    variants.push_back(Variant({name, value, std::to_string(value)}));
  return variants;
}

Variants each_of(const std::string& name, std::initializer_list<Index> values) {
  Variants variants;
  for (const Index value : values) variants.push_back(Variant({name, value, std::to_string(value)}));
  return variants;
}

Variants each_named(const std::string& name, std::initializer_list<std::string> texts) {
  Variants variants;
  for (const std::string& each : texts)
    variants.push_back(Variant({name, static_cast<Index>(variants.size()), each}));
  return variants;
}

Variants operator*(const Variants& some, const Variants& others) {
  Variants products;
  for (const Variant& one : some)
    for (const Variant& other : others) products.push_back(one + other);
  return products;
}

}  // namespace ringattn
