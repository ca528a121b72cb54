#include "reference/cli/oracle/submitted_case.h"

#include <algorithm>
#include <thread>

#include "reference/definition/input/device_count.h"
#include "reference/files/available_memory.h"
#include "reference/oracle/verdict/typical_distance.h"

namespace ringattn::cli {

// ---- Options ------------------------------------------------------------------

namespace {

void add_result_options(Command& command, ResultOptions& o) {
  const auto files = [&](const char* name, std::vector<std::filesystem::path>& paths,
                         const char* description) {
    command.add_option(name, paths, description)->check(not_empty())->type_name("FILE...");
  };
  files("--out", o.out,
        "your results: safetensors, .npz or .pt with any of out lse dq dk dv dsinks, or out alone as .npy;"
        " one file, or one file per device");
  files("--lse", o.lse, "your lse (B, H, S), if it is not in --out; .npy or a file as --out");
  files("--dq", o.dq, "your dq, likewise");
  files("--dk", o.dk, "your dk, likewise");
  files("--dv", o.dv, "your dv, likewise");
  files("--dsinks", o.dsinks, "your dsinks (H), the gradients of the sinks of CASE, likewise");
  std::vector<std::string> names_of_implementations = precision_names();
  for (std::string& name : eight_bit_precision_names()) names_of_implementations.push_back(std::move(name));
  command
      .add_option(
          "--implementation", o.implementation,
          "operand type of your matrix products: f64, f32, tf32, bf16, f16, e4m3, e5m2 (default: the type of "
          "out)")
      ->check(one_of(names_of_implementations))
      ->type_name("NAME");
}

}  // namespace

void add_submission_options(Command& command, SubmissionOptions& o) {
  command
      .add_option(
          "case", o.problem.input,
          "safetensors, .npz or .pt file with q k v, dout for gradients, and bias or mask if there is one")
      ->required()
      ->check(not_empty())
      ->type_name("CASE");
  add_result_options(command, o.results);
  command
      .add_option(
          "--axes", o.problem.axes,
          "order of the axes in CASE and in your results: bshd, bhsd, sbhd; CASE may state its own as "
          "metadata (default: bshd, unless the shapes or the numbers contradict it)")
      ->check(one_of({"bshd", "bhsd", "sbhd"}))
      ->type_name("NAME");
  add_mask_options(command, o.problem);
  add_case_options(command, o.problem);
  add_sharding_options(command, o.parallel);
  command
      .add_option(
          "--strategy", o.strategy,
          "how the devices share the work: ring, ulysses (they exchange heads for rows), or usp (groups "
          "exchange heads, and form a ring with this --layout)")
      ->check(one_of(names_of_sharded_strategies()))
      ->type_name("NAME")
      ->capture_default_str()
      ->group("Strategy");
  command.add_option("--group", o.group, "devices in a group that exchanges heads (usp)")
      ->check(whole_number(1, max_devices))
      ->type_name("N")
      ->group("Strategy");
}

void add_row_options(Command& command, Index& rows, std::uint64_t& seed, const std::string& description) {
  Option* option =
      command.add_option("--rows", rows, description)->check(whole_number(1, 1 << 30))->type_name("N");
  if (rows > 0) option->capture_default_str();
  command.add_option("--seed", seed, "seed of the sample of rows")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str();
}

void SubmissionOptions::check_output_paths(const std::string& command,
                                           const std::vector<PathOption>& written) const {
  std::vector<PathOption> read{{"CASE", problem.input}};
  const std::pair<const char*, const std::vector<std::filesystem::path>*> options[] = {
      {"--out", &results.out}, {"--lse", &results.lse}, {"--dq", &results.dq},
      {"--dk", &results.dk},   {"--dv", &results.dv},   {"--dsinks", &results.dsinks}};
  for (const auto& [option, paths] : options)
    for (const std::filesystem::path& path : *paths) read.push_back({option, path});
  require_distinct_paths(command, read, written);
}

// ---- The case with its results -------------------------------------------------

void require_memory_for_case(const std::string& command, const InputSource& source, double more_bytes) {
  const InputShapes& shapes = source.shapes;
  const Shape out = shapes.out(), lse{out.B, out.S, out.H, 1};
  const double inputs = element_count(shapes.q) + element_count(shapes.k) + element_count(shapes.v) +
                        element_count(out) + element_count(lse);

  // Inputs, results and what they are compared with; and on each thread some matrices of the scores of a few rows
  const double keys = static_cast<double>(shapes.k.S),
               scores = std::min(static_cast<double>(shapes.q.S) * keys, std::max(0x1p21, 16 * keys));
  const double bytes = 8 * (2 * inputs + 12 * std::thread::hardware_concurrency() * scores);
  require_memory("[" + command + "] ", source.bytes_to_make(8) + bytes + more_bytes,
                 "the case with its results and their check", "choose a smaller case");
}

SubmittedCase::ParsedCase SubmittedCase::read(const std::string& command, const SubmissionOptions& o,
                                              const InputSource& source, double more_bytes) const {
  require_memory_for_case(command, source, more_bytes);
  ParsedCase parsed;
  parsed.inputs = make_problem<double>(o.problem, source);
  ResultOptions files = o.results;
  files.axes = o.problem.axes;
  parsed.results = read_submitted_results(command, files, parsed.inputs,
                                          {source.stored, source.axes, sharding_, source.narrow});
  return parsed;
}

// The shapes of a case often fit several orders of the axes. Unless one is given, the numbers decide
void SubmittedCase::read_nearest_order(const std::string& command, const SubmissionOptions& o,
                                       const InputSource& source) {
  std::optional<ParsedCase> first;
  std::optional<BadInput> refusal;
  try {
    first = read(command, o, source, 0);
  } catch (const BadInput& bad) {
    refusal = bad;
  }
  const auto measured = [&](const ParsedCase& parsed) -> OrderTrial {
    const auto& [inputs, results] = parsed;
    const DistinctiveResults distinctive{results.view("out"), results.view("lse"), results.view("dq")};
    return {typical_distance(inputs.problem(), has_dout_ ? inputs.cotangents() : Cotangents<double>{},
                             distinctive),
            inputs.Q.shape()};
  };
  const auto read_in_order = [&](Axes axes) -> std::optional<OrderTrial> {
    if (axes == source.axes) return first ? std::optional(measured(*first)) : std::nullopt;
    try {
      const InputSource other(o.problem, axes);
      return measured(read(command, o, other, first ? 2 * other.bytes_of_problem(8) : 0));
    } catch (const BadInput&) {
      return std::nullopt;
    }
  };
  std::vector<Axes> orders = source.other_axes;
  orders.insert(orders.begin(), source.axes);
  const auto [chosen, note] = choose_order(orders, read_in_order);

  // The first order, unless another one was chosen
  if (chosen == source.axes) {
    if (!first) throw BadInput(*refusal);
    parsed_ = std::move(*first), notes_ = source.notes;
    const auto& tensors = parsed_.results.tensors;
    const bool compared = tensors.count("out") + tensors.count("lse") + tensors.count("dq") > 0;
    if (!source.doubt.empty() && !compared) notes_.push_back(source.doubt);
  } else {
    const InputSource other(o.problem, chosen);
    first.reset();
    parsed_ = read(command, o, other, 0), notes_ = other.notes;
  }
  if (!note.empty()) notes_.push_back(note);
}

SubmittedCase::SubmittedCase(Command& command, SubmissionOptions& o) {
  const InputSource source(o.problem);
  has_dout_ = source.has("dout");
  const std::vector<std::string> overridden = apply_metadata(command, source.file->listing().metadata);
  sharding_ = StrategySharding({parse_strategy(o.strategy), o.group, o.parallel.ring_options()},
                               source.shapes.q.H, source.shapes.k.H);
  layout_ = sharding_.ring_layout(), devices_ = sharding_.ring_devices();
  read_nearest_order(command.name(), o, source);
  notes_.insert(notes_.end(), overridden.begin(), overridden.end());
  if (const std::string note = sharding_.note(); !note.empty()) notes_.push_back(note);
  if (parsed_.inputs.padded.any()) notes_.push_back(describe(parsed_.inputs.padded));
  notes_.insert(notes_.end(), parsed_.results.notes.begin(), parsed_.results.notes.end());

  // A ring of the rows that are left has other shards
  if (devices_ == 1 || source.stored.q.S == parsed_.inputs.Q.shape().S) return;
  notes_.emplace_back("the layout joins the shards, but is not used in the diagnosis: rows are left out");
  layout_ = Layout::contiguous, devices_ = 1;
}

Submission SubmittedCase::submission() const {
  const auto& [inputs, results] = parsed_;
  return {inputs.problem(),
          has_dout_ ? inputs.cotangents() : Cotangents<double>{},
          results.view("out"),
          results.view("lse"),
          results.view("dq"),
          results.view("dk"),
          results.view("dv"),
          results.declared,
          layout_,
          devices_,
          results.view("dsinks")};
}

Sharding SubmittedCase::sharding() const {
  return {layout_, devices_, parsed_.inputs.Q.shape().S, parsed_.inputs.K.shape().S};
}

}  // namespace ringattn::cli
