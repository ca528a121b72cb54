#pragma once

#include <exception>
#include <string>

namespace ringattn {

// What an error that ends _run_ says; empty: nothing ends it
template <class Run>
std::string error_message(Run run) {
  try {
    run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

inline bool contains(const std::string& sentence, const std::string& words) {
  return sentence.find(words) != std::string::npos;
}

}  // namespace ringattn
