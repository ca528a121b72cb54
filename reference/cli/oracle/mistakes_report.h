#pragma once

#include <string>

#include "reference/files/json.h"
#include "reference/oracle/catalogue/mistake.h"

namespace ringattn::cli {

// The variants of a mistake, and where it has them.
struct MistakeVariants {
  std::string place;  // "a causal ring of 4 devices, contiguous"
  Variants variants;
};

// On the first of a few small cases that can have the mistake
MistakeVariants example_variants(const Mistake& mistake);

// The catalogue by family, and one entry of it, for people and for programs
std::string catalogue_text();
Json catalogue_json();
std::string entry_text(const Mistake& mistake, const MistakeVariants& available);
Json entry_json(const Mistake& mistake, const MistakeVariants& available);

}  // namespace ringattn::cli
