#pragma once

#include <string>

#include "reference/files/json.h"
#include "reference/oracle/mistake.h"

namespace ringattn::cli {

// The readings of a mistake, and where it has them.
struct Occurrence {
  std::string place;  // "a causal ring of 4 devices, contiguous"
  Readings readings;
};

// On the first of a few small cases that can have the mistake
Occurrence usual_occurrence(const Mistake& mistake);

// The catalogue by family, and one entry of it, for people and for programs
std::string catalogue_text();
Json catalogue_json();
std::string entry_text(const Mistake& mistake, const Occurrence& occurrence);
Json entry_json(const Mistake& mistake, const Occurrence& occurrence);

}  // namespace ringattn::cli
