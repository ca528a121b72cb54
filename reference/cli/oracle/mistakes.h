#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "reference/cli/args/make_problem.h"
#include "reference/files/json.h"
#include "reference/files/tensors/safetensors.h"
#include "reference/oracle/make_mistake.h"

namespace ringattn::cli {

// What `ringattn mistakes` does with the catalogue: prints it, makes a mistake on purpose, and tests whether the oracle
// names every mistake.

// ---- Printing the catalogue ---------------------------------------------------

// The variants that a mistake has on a case.
struct MistakeVariants {
  std::string case_name;  // "64 tokens, 4 devices"
  Variants variants;
};

// The variants on the first of a few small cases on which the mistake can occur; none if there is no such case
MistakeVariants example_variants(const Mistake& mistake);

// The whole catalogue by family, and one entry with its variants
std::string catalogue_text();
Json catalogue_json();
std::string entry_text(const Mistake& mistake, const MistakeVariants& available);
Json entry_json(const Mistake& mistake, const MistakeVariants& available);

// ---- Making a mistake on purpose -----------------------------------------------

// How far a wrong tensor is from the right one.
struct TensorDifference {
  std::string tensor;
  Index elements = 0, changed = 0;
  double largest = 0;  // infinite if an element is not finite in only one of the two
};

struct SimulatedMistake {
  SafetensorsFile results;  // out lse; also dq dk dv if the mistake affects the backward pass
  std::vector<TensorDifference> differences;
};

// The results of make_mistake(), stored in the type of the case; gradients only if _has_dout_
SimulatedMistake simulate_mistake(const Mistake& mistake, const Variant& variant,
                                  const OwnedProblem<double>& inputs, bool has_dout, Layout layout,
                                  int devices);

// ---- The self-test of the oracle -----------------------------------------------

// Makes every _every_-th mistake of the catalogue on rings of many kinds, stores the results as bf16, and prints how
// many of them the oracle names. Returns the exit status: 0 if at least 95 % are named.
int print_self_test(Index every, const std::optional<std::filesystem::path>& json);

}  // namespace ringattn::cli
