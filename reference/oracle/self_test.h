#pragma once

#include "reference/oracle/check.h"

namespace ringattn {

// A ring on which every mistake of the catalogue is made on purpose, to see whether it is named.
struct SelfTestCase {
  Index seq = 64, kv_seq = 64, heads = 4, kv_heads = 2, dim = 32;
  bool causal = true;
  Layout layout = Layout::contiguous;
  int devices = 4;
  std::uint64_t seed = 1;

  // Every so many-th entry of the catalogue, beginning with entry _first_
  Index every = 1, first = 0;
};

// 2, 4 and 8 devices in each layout, causal and full, with grouped heads and without, 64 to _longest_ positions.
// Where each tries every _every_-th entry, up to 18, together they try all of them.
std::vector<SelfTestCase> self_test_cases(Index every, Index longest);

// One mistake, made with one of its variants and stored as bf16.
struct SelfTestResult {
  const Mistake* mistake;
  Variant variant;
  bool backward = false;           // judged by dq, dk and dv, else by out alone
  bool named = false;              // and whoever else was named gives the very same numbers
  std::vector<std::string> names;  // what was named
};

// One variant of each mistake, at random among those with an effect beyond a note's worth; entries that have
// none are passed over
std::vector<SelfTestResult> self_test(const SelfTestCase& test_case);

}  // namespace ringattn
