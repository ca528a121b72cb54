#include "reference/cli/options.h"

#include <algorithm>
#include <charconv>

#include "reference/definition/bad_input.h"

namespace ringattn::cli {

namespace {

// Groups of --help; the metadata of a file may speak for the rules and the ring
constexpr const char *data = "Problem", *rules = "Which keys a query sees", *ring = "Ring", *links = "Links";

// A count: an integer from 1 on
CLI::Option* count(CLI::App& command, const std::string& name, auto& variable,
                   const std::string& description) {
  return command.add_option(name, variable, description)
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("N");
}

CLI::Option* rate(CLI::App& command, const std::string& name, double& variable,
                  const std::string& description) {
  return command.add_option(name, variable, description)
      ->check(CLI::Range(0.0, 1e12).description(""))
      ->type_name("X");
}

std::int64_t parse_window_entry(std::string_view text, const std::string& window) {
  std::int64_t entry = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), entry);
  require(
      error == std::errc() && end == text.data() + text.size() && entry >= -1,
      "[--window] two integers L,R are wanted, each -1 (unlimited) or the furthest distance seen; found \"",
      window, "\"; write --window=128,0, say");
  return entry;
}

}  // namespace

void add_problem_options(CLI::App& command, ProblemOptions& o) {
  command
      .add_option("--input", o.input,
                  "safetensors file with q k v (and dout dlse, positions, segment ids, cu_seqlens)")
      ->type_name("FILE")
      ->group(data);
  command
      .add_option("--text", o.text, "text files: each byte becomes a token, with vectors drawn from the seed")
      ->type_name("FILE...")
      ->group(data);
  count(command, "--seq", o.seq, "query tokens of generated input")->capture_default_str()->group(data);
  count(command, "--kv-seq", o.kv_seq, "key tokens of generated input (default: --seq)")->group(data);
  count(command, "--batch", o.batch, "sequences of generated input")->capture_default_str()->group(data);
  count(command, "--heads", o.heads, "query heads")->capture_default_str()->group(data);
  count(command, "--kv-heads", o.kv_heads, "K/V heads, shared by groups of query heads (default: --heads)")
      ->group(data);
  count(command, "--dim", o.dim, "head dimension of q and k")->capture_default_str()->group(data);
  count(command, "--v-dim", o.v_dim, "head dimension of v (default: --dim)")->group(data);
  command.add_option("--dtype", o.dtype, "storage type; arithmetic is float64 for f64, else float32")
      ->check(CLI::IsMember({"f64", "f32", "bf16", "f16"}))
      ->capture_default_str()
      ->group(data);
  command.add_option("--seed", o.seed, "of the generated numbers")
      ->type_name("N")
      ->capture_default_str()
      ->group(data);

  command.add_flag("--causal", o.causal, "no key after its query")->group(rules);
  command
      .add_option("--causal-align", o.causal_align,
                  "where queries stand if there are fewer or more than keys")
      ->check(CLI::IsMember({"bottom-right", "top-left"}))
      ->group(rules);
  command.add_option("--window", o.window, "keys at most L before and R after the query; -1: unlimited")
      ->type_name("L,R")
      ->group(rules);
  command.add_option("--softmax-scale", o.softmax_scale, "factor on q.k (default: 1/sqrt(dim))")
      ->type_name("X")
      ->group(rules);
  command.add_option("--softcap", o.softcap, "scores become c tanh(score / c); 0: none")
      ->type_name("C")
      ->group(rules);
}

void add_spread_options(CLI::App& command, SpreadOptions& o) {
  count(command, "--devices,--world-size", o.devices, "devices in the ring")
      ->capture_default_str()
      ->group(ring);
  command.add_option("--layout,--sharding", o.layout, "how rows are dealt out to the devices")
      ->check(CLI::IsMember({"contiguous", "striped", "zigzag"}))
      ->capture_default_str()
      ->group(ring);
  command.add_option("--rotate", o.rotate, "what travels")
      ->check(CLI::IsMember({"kv", "q"}))
      ->capture_default_str()
      ->group(ring);
  command
      .add_option("--transport", o.transport,
                  "threads: a thread a device; lockstep: all devices in one thread")
      ->check(CLI::IsMember({"threads", "lockstep"}))
      ->capture_default_str()
      ->group(ring);
  count(command, "--threads", o.threads, "threads that drive the devices (default: one a device)")
      ->group(ring);
  command.add_flag("!--no-overlap", o.overlap, "work on a block before sending it on")->group(ring);
  rate(command, "--link-gbps", o.link_gbps,
       "slow links down to so many 10^9 bits/s, one direction; 0: as fast as memory")
      ->group(links);
  rate(command, "--link-latency-us", o.link_latency_us, "and this many microseconds a message")->group(links);
}

CostModel SpreadOptions::cost() const {
  CostModel cost;
  cost.link_gbps = link_gbps, cost.link_latency_us = link_latency_us;
  return cost;
}

RingOptions SpreadOptions::ring() const {
  require(transport != "lockstep" || threads <= 1, "[--transport] lockstep has one thread; found --threads ",
          threads, "; leave one of the two out");
  RingOptions result;
  result.devices = devices;
  result.layout = layout == "striped"  ? Layout::striped
                  : layout == "zigzag" ? Layout::zigzag
                                       : Layout::contiguous;
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
  mask.window_left = parse_window_entry(two ? std::string_view(window).substr(0, comma) : "", window);
  mask.window_right = parse_window_entry(std::string_view(window).substr(comma + 1), window);
  return mask;
}

std::vector<std::string> apply_metadata(CLI::App& command,
                                        const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> overruled;
  for (const auto& [key, value] : metadata) {
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    CLI::Option* option = command.get_option_no_throw(name);
    const std::string group = option ? option->get_group() : "";
    if (group != rules && group != ring) continue;
    if (option->count() > 0) {
      overruled.push_back(name + " of the command line wins over \"" + value + "\" of the input file");
      continue;
    }
    try {
      option->add_result(value);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw BadInput("[--input] metadata " + key + " = \"" + value + "\" is no value for " + name + ": " +
                     error.what());
    }
  }
  return overruled;
}

}  // namespace ringattn::cli
