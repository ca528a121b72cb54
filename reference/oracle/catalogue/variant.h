#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// A parameter of a mistake: the device it concerns, the step, the size of a tile, ...
struct Parameter {
  std::string name;
  Index value = 0;   // for the simulation
  std::string text;  // for reports
};

// A mistake with a value for each of its parameters. It can be simulated, and its result is unique.
class Variant {
 public:
  Variant() = default;
  explicit Variant(Parameter parameter) : parameters_{std::move(parameter)} {}

  // The value of a parameter; throws std::logic_error if the variant has none of that name
  Index operator[](std::string_view name) const;

  const std::vector<Parameter>& parameters() const { return parameters_; }

  // "device = 2, order = right to left"; empty without parameters
  std::string describe() const;

  // The parameters of both
  Variant operator+(const Variant& other) const;

 private:
  std::vector<Parameter> parameters_;
};

using Variants = std::vector<Variant>;

// The one variant of a mistake without parameters
Variants single_variant();

// _variants_ if the mistake is possible, otherwise none
inline Variants only_if(bool possible, const Variants& variants) { return possible ? variants : Variants(); }

// One variant for each value in [begin, end)
Variants each_of(const std::string& name, Index begin, Index end);

// One variant for each value
Variants each_of(const std::string& name, std::initializer_list<Index> values);

// One variant for each text; its value is the index of the text in the list
Variants each_named(const std::string& name, std::initializer_list<std::string> texts);

// Every combination of a variant of one list with a variant of the other
Variants operator*(const Variants& some, const Variants& others);

}  // namespace ringattn
