#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "reference/files/tensors/stored_tensor.h"

namespace ringattn {

// The bytes of numbers, as files contain them
template <class Number>
std::string bytes_of_numbers(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

template <class Number>
std::vector<Number> numbers_in(const StoredTensor& tensor) {
  std::vector<Number> numbers(tensor.bytes.size() / sizeof(Number));
  std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
  return numbers;
}

}  // namespace ringattn
