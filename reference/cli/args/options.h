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

// The problem: generated from a seed, made from texts, or read from a file.
struct ProblemOptions {
  std::optional<std::filesystem::path> input;
  std::vector<std::filesystem::path> text;
  Index batch = 1, seq = 1024, heads = 4, dim = 64;
  std::optional<Index> kv_seq, kv_heads, v_dim;
  std::string dtype = "f32";
  std::string axes;  // order of the axes in the file; empty: not given
  std::uint64_t seed = 0;
  bool sinks = false;  // a random attention sink for each query head

  bool causal = false;
  std::string causal_align, window;  // empty: not given
  std::optional<double> softmax_scale;
  double softcap = 0;
  bool alibi = false;  // the standard slopes
  double dropout_p = 0;
  Index descale_block = 0;  // rows of a block with a factor of its own, of tensors of 8 bits; 0: not given
};

// The ring that computes it.
struct ParallelOptions {
  int devices = 4;
  std::string layout = "contiguous", rotate = "kv", transport = "threads";
  int threads = 0;
  bool overlap = true;
  double link_gbps = 0, link_latency_us = 0;
  int devices_per_node = 0;  // 0: all devices are in one node
  double network_gbps = 0, network_latency_us = 0;
  bool two_way_links = false;

  RingOptions ring_options() const;
  CostModel cost_model() const;
};

void add_problem_options(Command& command, ProblemOptions& options);
void add_mask_options(Command& command, ProblemOptions& options);  // its options of mask and scoring alone
// --dropout-p and --descale-block, of commands that read keep and tensors of 8 bits
void add_case_options(Command& command, ProblemOptions& options);
void add_parallel_options(Command& command, ParallelOptions& options,
                          const std::vector<std::string>& transports);
void add_sharding_options(Command& command, ParallelOptions& options);  // its --devices and --layout alone
void add_link_options(Command& command, ParallelOptions& options);

// Throws BadInput if an option that describes generated data is given together with --input or --text
void check_option_conflicts(const Command& command, const ProblemOptions& options);

// Options of the mask and the ring that the command line leaves open are taken from the metadata of the input file,
// under their names with "_" for "-". Returns a sentence for each one that the command line overrides.
std::vector<std::string> apply_metadata(Command& command, const std::map<std::string, std::string>& metadata);

}  // namespace ringattn::cli
