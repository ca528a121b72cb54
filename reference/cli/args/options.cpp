#include "reference/cli/args/options.h"
#include "reference/cli/args/command.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "reference/cli/args/rule.h"
#include "reference/definition/bad_input.h"
#include "reference/files/json.h"

namespace ringattn::cli {

namespace {

// Groups of --help; the metadata of a file may speak for the rules and the ring
constexpr const char *problem_group = "Problem", *mask_group = "Which keys a query sees", *ring_group = "Ring", *link_group = "Links";

constexpr std::uint64_t largest_count = std::uint64_t{1} << 30;

Option* count(Command& command, const std::string& name, auto& variable,
                   const std::string& description) {
  return command.add_option(name, variable, description)
      ->check(whole_number(1, largest_count))
      ->type_name("N");
}

Option* choice(Command& command, const std::string& name, std::string& variable,
                    const std::vector<std::string>& names, const std::string& description) {
  return command.add_option(name, variable, fmt::format("{}: {}", description, fmt::join(names, ", ")))
      ->check(one_of(names))
      ->type_name("NAME");
}

std::int64_t parse_window_bound(std::string_view text, const std::string& window) {
  std::int64_t entry = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), entry);
  require(error == std::errc() && end == text.data() + text.size() && entry >= -1,
          "[--window] two integers L,R are wanted, each -1 (unlimited) or the furthest distance seen; found ",
          in_quotes(window), "; write --window=128,0, say");
  return entry;
}

}  // namespace

void add_problem_options(Command& command, ProblemOptions& o) {
  command
      .add_option("--input", o.input,
                  "safetensors file with q k v (and dout dlse, positions, segment ids, cu_seqlens)")
      ->type_name("FILE")
      ->group(problem_group);
  command
      .add_option("--text", o.text, "text files: each byte becomes a token, with vectors drawn from the seed")
      ->type_name("FILE...")
      ->group(problem_group);
  count(command, "--seq", o.seq, "query tokens of generated input")->capture_default_str()->group(problem_group);
  count(command, "--kv-seq", o.kv_seq, "key tokens of generated input (default: --seq)")->group(problem_group);
  count(command, "--batch", o.batch, "sequences of generated input")->capture_default_str()->group(problem_group);
  count(command, "--heads", o.heads, "query heads")->capture_default_str()->group(problem_group);
  count(command, "--kv-heads", o.kv_heads, "K/V heads, shared by groups of query heads (default: --heads)")
      ->group(problem_group);
  count(command, "--dim", o.dim, "head dimension of q and k")->capture_default_str()->group(problem_group);
  count(command, "--v-dim", o.v_dim, "head dimension of v (default: --dim)")->group(problem_group);
  choice(command, "--dtype", o.dtype, {"f64", "f32", "bf16", "f16"}, "storage type")
      ->capture_default_str()
      ->group(problem_group);
  command.add_option("--seed", o.seed, "of the generated numbers")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str()
      ->group(problem_group);
  add_mask_options(command, o);
}

void add_mask_options(Command& command, ProblemOptions& o) {
  command.add_flag("--causal", o.causal, "no key after its query")->group(mask_group);
  choice(command, "--causal-align", o.causal_align, {"bottom-right", "top-left"},
         "where fewer or more queries than keys stand")
      ->group(mask_group);
  command.add_option("--window", o.window, "keys at most L before and R after the query; -1: unlimited")
      ->check(window())
      ->type_name("L,R")
      ->group(mask_group);
  command.add_option("--softmax-scale", o.softmax_scale, "factor on q.k (default: 1/sqrt(--dim))")
      ->check(finite_number())
      ->type_name("X")
      ->group(mask_group);
  command.add_option("--softcap", o.softcap, "scores become c tanh(score / c); 0: none")
      ->check(finite_number())
      ->type_name("C")
      ->group(mask_group);
}

void check_option_conflicts(const Command& command, const ProblemOptions& o) {
  std::vector<const char*> generated;
  if (o.input)
    generated = {"--text",     "--seq", "--kv-seq", "--batch", "--heads",
                 "--kv-heads", "--dim", "--v-dim",  "--dtype"};
  else if (!o.text.empty())
    generated = {"--seq", "--kv-seq", "--batch"};
  const std::string source = o.input ? "--input" : "--text";
  for (const char* name : generated)
    require(command.count(name) == 0, "[", command.name(), "] the data come from ", source, "; found ",
            name, " beside it; leave one of the two out");
}

void add_sharding_options(Command& command, ParallelOptions& o) {
  count(command, "--devices,--world-size", o.devices, "devices in the ring")
      ->capture_default_str()
      ->group(ring_group);
  choice(command, "--layout,--sharding", o.layout, {"contiguous", "striped", "zigzag"},
         "how rows are dealt out")
      ->capture_default_str()
      ->group(ring_group);
}

void add_parallel_options(Command& command, ParallelOptions& o, const std::vector<std::string>& transports) {
  add_sharding_options(command, o);
  choice(command, "--rotate", o.rotate, {"kv", "q"}, "what travels")->capture_default_str()->group(ring_group);
  choice(command, "--transport", o.transport, transports, "how devices reach one another")
      ->capture_default_str()
      ->group(ring_group);
  count(command, "--threads", o.threads, "threads that drive the devices (default: one a device)")
      ->group(ring_group);
  command.add_negated_flag("--no-overlap", o.overlap, "work on a block before sending it on")->group(ring_group);
}

void add_link_options(Command& command, ParallelOptions& o) {
  const auto rate = [&](const char* name, double& variable, double minimum, double maximum,
                        const char* description) {
    command.add_option(name, variable, description)
        ->check(zero_or_between(minimum, maximum))
        ->type_name("X")
        ->group(link_group);
  };
  rate("--link-gbps", o.link_gbps, 1e-6, 1e12,
       "slow links down to X 10^9 bits/s, one direction (default: as fast as memory)");
  rate("--link-latency-us", o.link_latency_us, 1e-3, 1e9, "let each message take X microseconds more");
}

CostModel ParallelOptions::cost_model() const {
  CostModel cost;
  cost.link_gbps = link_gbps, cost.link_latency_us = link_latency_us;
  return cost;
}

RingOptions ParallelOptions::ring_options() const {
  require(transport != "lockstep" || threads <= 1, "[--transport] lockstep has one thread; found --threads ",
          threads, "; leave one of the two out");
  require(transport != "mpi" || threads == 0, "[--transport] mpi has a process a device; found --threads ",
          threads, "; leave one of the two out");
  RingOptions result;
  result.devices = devices;
  result.layout = parse_layout(layout);
  result.rotate = rotate == "q" ? Rotation::q : Rotation::kv;
  result.threads = transport == "lockstep" ? 1 : threads;
  result.overlap = overlap;
  return result;
}

Mask parse_mask(bool causal, const std::string& window) {
  Mask mask;
  mask.causal = causal;
  if (window.empty()) return mask;
  const std::size_t comma = window.find(',');
  const bool two = comma != std::string::npos;
  mask.window_left = parse_window_bound(two ? std::string_view(window).substr(0, comma) : "", window);
  mask.window_right = parse_window_bound(std::string_view(window).substr(comma + 1), window);
  return mask;
}

std::vector<std::string> apply_metadata(Command& command,
                                        const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> overridden;
  std::set<const Option*> from_file;
  for (const auto& [key, value] : metadata) {
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    Option* option = command.find(name);
    const std::string group = option ? option->group() : "";
    if (group != mask_group && group != ring_group) continue;
    require(from_file.count(option) == 0, "[--input] an option must stand in the metadata once; found ",
            option->name(), " under two names; leave one out");
    if (option->count() > 0) {
      overridden.push_back(name + " of the command line wins over \"" + value + "\" of the input file");
      continue;
    }
    try {
      option->set(value);
    } catch (const BadInput& error) {
      throw BadInput(std::string("[--input] the metadata must suit the options; ") + error.what() +
                     "; correct it, or give " + name + " on the command line");
    }
    from_file.insert(option);
  }
  return overridden;
}

}  // namespace ringattn::cli
