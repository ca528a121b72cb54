#pragma once

#include <exception>
#include <string>

namespace ringattn {

// The message of the exception that _run_ throws; empty if it throws none
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
