#pragma once

#include "reference/oracle/check.h"

namespace ringattn {

// A ring on which mistakes of the catalogue are simulated, to test whether the diagnosis names them.
struct SelfTestCase {
  Index seq = 64, kv_seq = 64, heads = 4, kv_heads = 2, dim = 32;
  bool causal = true;
  Layout layout = Layout::contiguous;
  int devices = 4;
  std::uint64_t seed = 1;

  Index every = 1, first = 0;  // try the entries first, first + every, first + 2 every, ... of the catalogue
};

// 18 cases: 2, 4 and 8 devices in each layout, causal and full, with and without grouped heads, 64 to _longest_
// positions. Each tries every _every_-th entry. If _every_ is at most 18, together they try all entries.
std::vector<SelfTestCase> self_test_cases(Index every, Index longest);

// One variant of a mistake, with its simulated result stored as bf16.
struct SelfTestResult {
  const Mistake* mistake;
  Variant variant;
  bool backward = false;           // checked by dq, dk and dv; otherwise by out alone
  bool named = false;              // the mistake was named, and every other name gives the same numbers
  std::vector<std::string> names;  // all names
};

// One variant of each mistake, at random among those that fail (4 tolerances); entries without such a variant are
// skipped
std::vector<SelfTestResult> self_test(const SelfTestCase& test_case);

}  // namespace ringattn
