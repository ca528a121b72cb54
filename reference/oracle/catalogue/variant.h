#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// A mistake is a family; a variant of it is one mistake, with every parameter known: which device, which
// step, how large a tile. Reports print _said_; formulas use _value_.
struct Parameter {
  std::string name;
  Index value = 0;
  std::string said;
};

class Variant {
 public:
  Variant() = default;
  explicit Variant(Parameter parameter) : parameters_{std::move(parameter)} {}

  // The value of a parameter that the variant has
  Index operator[](std::string_view name) const;

  const std::vector<Parameter>& parameters() const { return parameters_; }

  // "device = 2, order = right to left"; empty where there is no parameter
  std::string describe() const;

  // Both together
  Variant operator+(const Variant& other) const;

 private:
  std::vector<Parameter> parameters_;
};

using Variants = std::vector<Variant>;

// The one variant of a mistake without parameters
Variants single_variant();

// _variants_ where the mistake is possible, else none
inline Variants only_if(bool possible, const Variants& variants) { return possible ? variants : Variants(); }

// One variant for each value in [begin, end)
Variants each_of(const std::string& name, Index begin, Index end);

// One variant for each value
Variants each_of(const std::string& name, std::initializer_list<Index> values);

// One variant for each name; its value is its place in the list
Variants each_named(const std::string& name, std::initializer_list<std::string> said);

// Every variant of one with every variant of the other
Variants operator*(const Variants& some, const Variants& others);

}  // namespace ringattn
