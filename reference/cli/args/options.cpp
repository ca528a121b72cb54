#include "reference/cli/args/options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "reference/cli/args/rule.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/json.h"

namespace ringattn::cli {

namespace {

// Headings of --help. The metadata of an input file may set options of the mask and of the ring
constexpr const char *problem_group = "Problem", *mask_group = "Mask and scoring", *ring_group = "Ring",
                     *link_group = "Links";

constexpr std::uint64_t largest_count = std::uint64_t{1} << 30;

Option* count(Command& command, const std::string& name, auto& variable, const std::string& description,
              std::uint64_t largest = largest_count) {
  return command.add_option(name, variable, description)->check(whole_number(1, largest))->type_name("N");
}

Option* choice(Command& command, const std::string& name, std::string& variable,
               const std::vector<std::string>& names, const std::string& description) {
  return command.add_option(name, variable, fmt::format("{}: {}", description, fmt::join(names, ", ")))
      ->check(one_of(names))
      ->type_name("NAME");
}

}  // namespace

void add_problem_options(Command& command, ProblemOptions& o) {
  command
      .add_option("--input", o.input,
                  "safetensors, .npz or .pt file with q, k, v; optional: dout, dlse, positions, segment ids, "
                  "cu_seqlens, seqused, sinks, alibi_slopes")
      ->check(not_empty())
      ->type_name("FILE")
      ->group(problem_group);
  command.add_option("--text", o.text, "text files; each byte is a token with random vectors")
      ->check(not_empty())
      ->type_name("FILE...")
      ->group(problem_group);
  count(command, "--seq", o.seq, "queries per sequence")->capture_default_str()->group(problem_group);
  count(command, "--kv-seq", o.kv_seq, "keys per sequence (default: --seq)")->group(problem_group);
  count(command, "--batch", o.batch, "number of sequences")->capture_default_str()->group(problem_group);
  count(command, "--heads", o.heads, "number of query heads")->capture_default_str()->group(problem_group);
  count(command, "--kv-heads", o.kv_heads, "number of K/V heads; a divisor of --heads (default: --heads)")
      ->group(problem_group);
  count(command, "--dim", o.dim, "head dimension of q and k")->capture_default_str()->group(problem_group);
  count(command, "--v-dim", o.v_dim, "head dimension of v (default: --dim)")->group(problem_group);
  choice(command, "--dtype", o.dtype, {"f64", "f32", "bf16", "f16"}, "storage type")
      ->capture_default_str()
      ->group(problem_group);
  command
      .add_flag("--sinks", o.sinks,
                "give each query head an attention sink, a random term of the softmax without a value")
      ->group(problem_group);
  command.add_option("--seed", o.seed, "seed of the random numbers")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str()
      ->group(problem_group);
  add_mask_options(command, o);
}

void add_mask_options(Command& command, ProblemOptions& o) {
  command.add_flag("--causal", o.causal, "mask keys after the query")->group(mask_group);
  choice(command, "--causal-align", o.causal_align, {"bottom-right", "top-left"},
         "alignment of queries and keys if --seq differs from --kv-seq")
      ->group(mask_group);
  command
      .add_option("--window", o.window, "mask keys more than L before or R after the query; -1: unlimited")
      ->check(window())
      ->type_name("L,R")
      ->group(mask_group);
  command.add_option("--softmax-scale", o.softmax_scale, "factor of the scores q.k (default: 1/sqrt(dim))")
      ->check(finite_number())
      ->type_name("X")
      ->group(mask_group);
  command.add_option("--softcap", o.softcap, "soft-cap: replace each score by C tanh(score / C); 0: none")
      ->check(nonnegative_number())
      ->type_name("C")
      ->group(mask_group);
  command
      .add_flag("--alibi", o.alibi,
                "ALiBi: subtract slope * |distance| from each score; 2^(-8 h / heads) is the slope of head h "
                "= 1, 2, ...")
      ->group(mask_group);
}

void add_case_options(Command& command, ProblemOptions& o) {
  command
      .add_option(
          "--dropout-p", o.dropout_p,
          "P becomes P * keep / (1 - X) after the softmax, with the boolean tensor keep of CASE; 0: none")
      ->check(nonnegative_number())
      ->type_name("X")
      ->group(mask_group);
  count(command, "--descale-block", o.descale_block,
        "rows of a block with a factor of its own in descale_q, _k, _v of CASE (default: blocks of equal "
        "length)")
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
    require(command.count(name) == 0, "[", command.name(), "] ", name, " describes generated input; found ",
            source, " as well; remove one of the two");
}

void add_sharding_options(Command& command, ParallelOptions& o) {
  count(command, "--devices,--world-size", o.devices, "number of devices in the ring", max_devices)
      ->capture_default_str()
      ->group(ring_group);
  choice(command, "--layout,--sharding", o.layout, layout_names(),
         "distribution of the rows over the devices")
      ->capture_default_str()
      ->group(ring_group);
}

void add_parallel_options(Command& command, ParallelOptions& o, const std::vector<std::string>& transports) {
  add_sharding_options(command, o);
  choice(command, "--rotate", o.rotate, {"kv", "q"}, "tensors that travel around the ring")
      ->capture_default_str()
      ->group(ring_group);
  choice(command, "--transport", o.transport, transports, "communication between devices")
      ->capture_default_str()
      ->group(ring_group);
  count(command, "--threads", o.threads, "threads that run the devices (default: one per device)")
      ->group(ring_group);
  command
      .add_negated_flag("--no-overlap", o.overlap,
                        "compute on each block before sending it, not during the transfer")
      ->group(ring_group);
}

void add_link_options(Command& command, ParallelOptions& o) {
  const auto rate = [&](const char* name, double& variable, double minimum, double maximum,
                        const char* description) {
    command.add_option(name, variable, description)
        ->check(zero_or_between(minimum, maximum))
        ->type_name("X")
        ->group(link_group);
  };
  rate("--link-gbps", o.link_gbps, 1e-6, 1e12, "limit each link to X Gbit/s in each direction; 0: no limit");
  rate("--link-latency-us", o.link_latency_us, 1e-3, 1e9, "add X microseconds of latency to each message");
  count(command, "--devices-per-node", o.devices_per_node,
        "devices of a node; a second link of each device leads to other nodes (default: one node)",
        max_devices)
      ->group(link_group);
  rate("--network-gbps", o.network_gbps, 1e-6, 1e12,
       "limit the links between nodes to X Gbit/s; 0: no limit");
  rate("--network-latency-us", o.network_latency_us, 1e-3, 1e9,
       "add X microseconds of latency to each message between nodes");
  command
      .add_flag("--two-way-links", o.two_way_links,
                "separate links for the two directions of the ring, each as fast")
      ->group(link_group);
}

CostModel ParallelOptions::cost_model() const {
  require(devices_per_node > 0 || (network_gbps == 0 && network_latency_us == 0),
          "[--network-gbps] a network connects nodes; found a speed of the network and no "
          "--devices-per-node; give both");
  CostModel cost;
  cost.link_gbps = link_gbps, cost.link_latency_us = link_latency_us;
  cost.devices_per_node = devices_per_node;
  cost.network_gbps = network_gbps, cost.network_latency_us = network_latency_us;
  cost.two_way_devices = two_way_links ? devices : 0;
  return cost;
}

RingOptions ParallelOptions::ring_options() const {
  require(transport != "lockstep" || threads <= 1,
          "[--transport] lockstep runs on one thread; found --threads ", threads, "; remove one of the two");
  require(transport != "mpi" || threads == 0,
          "[--transport] mpi runs one process per device; found --threads ", threads,
          "; remove one of the two");
  RingOptions result;
  result.devices = devices;
  result.layout = parse_layout(layout);
  result.rotate = rotate == "q" ? Rotation::q : Rotation::kv;
  result.threads = transport == "lockstep" ? 1 : threads;
  result.overlap = overlap;
  return result;
}

std::vector<std::string> apply_metadata(Command& command,
                                        const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> overridden;
  std::set<const Option*> from_file;
  for (const auto& [key, value] : metadata) {
    if (value == "None") continue;  // Python writes None, True and False
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    Option* option = command.find(name);
    const std::string group = option ? option->group() : "";
    if (group != mask_group && group != ring_group) continue;
    require(from_file.count(option) == 0, "[--input] the metadata must set an option once; found ",
            option->name(), " under two names; remove one");
    if (option->count() > 0) {
      overridden.push_back(name + " of the command line overrides " + in_quotes(value) +
                           " of the input file");
      continue;
    }
    try {
      option->set(value == "True" ? "true" : value == "False" ? "false" : value);
    } catch (const BadInput& error) {
      throw BadInput(std::string("[--input] the metadata must hold valid values; ") + error.what() +
                     "; correct it, or give " + name + " on the command line");
    }
    from_file.insert(option);
  }
  return overridden;
}

}  // namespace ringattn::cli
