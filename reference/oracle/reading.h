#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// A mistake is a family; a reading of it is one mistake, with every parameter known: which device, which
// step, how large a tile. Reports print _said_; formulas use _value_.
struct Parameter {
  std::string name;
  Index value = 0;
  std::string said;
};

class Reading {
 public:
  Reading() = default;
  explicit Reading(Parameter parameter) : parameters_{std::move(parameter)} {}

  // The value of a parameter that the reading has
  Index operator[](std::string_view name) const;

  const std::vector<Parameter>& parameters() const { return parameters_; }

  // "device = 2, order = right to left"; empty where there is no parameter
  std::string describe() const;

  // Both together
  Reading operator+(const Reading& other) const;

 private:
  std::vector<Parameter> parameters_;
};

using Readings = std::vector<Reading>;

// The one reading of a mistake without parameters
Readings single_reading();

// One reading for each value in [begin, end)
Readings each_of(const std::string& name, Index begin, Index end);

// One reading for each value
Readings each_of(const std::string& name, std::initializer_list<Index> values);

// One reading for each name; its value is its place in the list
Readings each_named(const std::string& name, std::initializer_list<std::string> said);

// Every reading of one with every reading of the other
Readings operator*(const Readings& some, const Readings& others);

}  // namespace ringattn
