#pragma once

#include <string>
#include <vector>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn::planner {

template <class Preset>
std::vector<std::string> names_of(const std::vector<Preset>& presets) {
  std::vector<std::string> names;
  for (const Preset& preset : presets) names.push_back(preset.name);
  return names;
}

// "a, b or c"
inline std::string either_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : &name == &names.back() ? " or " : ", ") + name;
  return text;
}

// The preset of that name. Throws BadInput if there is none; _kind_: "chip", "model"
template <class Preset>
Preset preset_named(const char* kind, const std::vector<Preset>& presets, const std::string& name) {
  for (const Preset& preset : presets)
    if (preset.name == name) return preset;
  throw BadInput("[plan] the " + std::string(kind) + " must be " + either_of(names_of(presets)) + "; found " +
                 in_quotes(name) + "; choose the nearest, and override its figures");
}

}  // namespace ringattn::planner
