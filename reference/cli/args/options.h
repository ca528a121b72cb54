#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reference/cli/args/command.h"
#include "reference/definition/dtype.h"
#include "reference/definition/row_positions.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::cli {

// What a problem is made of: generated from a seed, or taken from a file.
struct ProblemOptions {
  std::optional<std::filesystem::path> input;
  std::vector<std::filesystem::path> text;
  Index batch = 1, seq = 1024, heads = 4, dim = 64;
  std::optional<Index> kv_seq, kv_heads, v_dim;
  std::string dtype = "f32";
  std::uint64_t seed = 0;

  bool causal = false;
  std::string causal_align, window;
  std::optional<double> softmax_scale;
  double softcap = 0;
};

// How it is spread over a ring.
struct ParallelOptions {
  int devices = 4;
  std::string layout = "contiguous", rotate = "kv", transport = "threads";
  int threads = 0;
  bool overlap = true;
  double link_gbps = 0, link_latency_us = 0;

  RingOptions ring_options() const;
  CostModel cost_model() const;
};

void add_problem_options(Command& command, ProblemOptions& options);
void add_mask_options(Command& command, ProblemOptions& options);  // those of the former that say which keys
                                                                    // a query sees, and with what weight
void add_sharding_options(Command& command, ParallelOptions& options);  // --devices and --layout alone
void add_parallel_options(Command& command, ParallelOptions& options,
                        const std::vector<std::string>& transports);
void add_link_options(Command& command, ParallelOptions& options);

// Throws BadInput where an option that describes generated data stands beside data from a file
void check_option_conflicts(const Command& command, const ProblemOptions& options);

// "9,-1" -> left 9, right unlimited; throws BadInput unless it is two integers from -1 on
Mask parse_mask(bool causal, const std::string& window);

// Options that the command line does not name are taken from the metadata of the input file, under their
// names with "_" for "-". Returns a sentence for each one that the command line overrules.
std::vector<std::string> apply_metadata(Command& command,
                                        const std::map<std::string, std::string>& metadata);

}  // namespace ringattn::cli
