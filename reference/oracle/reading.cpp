#include "reference/oracle/reading.h"

#include <algorithm>
#include <stdexcept>

namespace ringattn {

Index Reading::operator[](std::string_view name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  if (found == parameters_.end())
    throw std::logic_error("[reading] there is no parameter " + std::string(name));
  return found->value;
}

std::string Reading::describe() const {
  std::string text;
  for (const Parameter& parameter : parameters_)
    text += (text.empty() ? "" : ", ") + parameter.name + " = " + parameter.said;
  return text;
}

Reading Reading::operator+(const Reading& other) const {
  Reading both = *this;
  both.parameters_.insert(both.parameters_.end(), other.parameters_.begin(), other.parameters_.end());
  return both;
}

Readings single_reading() { return {Reading()}; }

Readings each_of(const std::string& name, Index begin, Index end) {
  Readings readings;
  for (Index value = begin; value < end; ++value)
    readings.push_back(Reading({name, value, std::to_string(value)}));
  return readings;
}

Readings each_of(const std::string& name, std::initializer_list<Index> values) {
  Readings readings;
  for (const Index value : values) readings.push_back(Reading({name, value, std::to_string(value)}));
  return readings;
}

Readings each_named(const std::string& name, std::initializer_list<std::string> said) {
  Readings readings;
  for (const std::string& each : said)
    readings.push_back(Reading({name, static_cast<Index>(readings.size()), each}));
  return readings;
}

Readings operator*(const Readings& some, const Readings& others) {
  Readings products;
  for (const Reading& one : some)
    for (const Reading& other : others) products.push_back(one + other);
  return products;
}

}  // namespace ringattn
