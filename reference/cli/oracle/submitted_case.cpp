#include "reference/cli/oracle/submitted_case.h"

#include <algorithm>
#include <thread>

#include "reference/files/available_memory.h"

namespace ringattn::cli {

// ---- Options ------------------------------------------------------------------

namespace {

void add_result_options(Command& command, ResultOptions& o) {
  const auto files = [&](const char* name, std::vector<std::filesystem::path>& paths,
                         const char* description) {
    command.add_option(name, paths, description)->check(not_empty())->type_name("FILE...");
  };
  files("--out", o.out,
        "your results: safetensors with any of out lse dq dk dv, or out alone as .npy;"
        " one file, or one file per device");
  files("--lse", o.lse, "your lse (B, H, S), if it is not in --out; .npy or safetensors");
  files("--dq", o.dq, "your dq, likewise");
  files("--dk", o.dk, "your dk, likewise");
  files("--dv", o.dv, "your dv, likewise");
  command.add_option("--axes", o.axes, "order of the axes in your files: bshd, bhsd, sbhd")
      ->check(one_of({"bshd", "bhsd", "sbhd"}))
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option(
          "--implementation", o.implementation,
          "operand type of your matrix products: f64, f32, tf32, bf16, f16 (default: the type of out)")
      ->check(one_of({"f64", "f32", "tf32", "bf16", "f16"}))
      ->type_name("NAME");
}

}  // namespace

void add_submission_options(Command& command, SubmissionOptions& o) {
  command.add_option("case", o.problem.input, "safetensors file with q k v, and dout for gradients")
      ->required()
      ->check(not_empty())
      ->type_name("CASE");
  add_result_options(command, o.results);
  add_mask_options(command, o.problem);
  add_sharding_options(command, o.parallel);
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
      {"--out", &results.out},
      {"--lse", &results.lse},
      {"--dq", &results.dq},
      {"--dk", &results.dk},
      {"--dv", &results.dv}};
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

SubmittedCase::SubmittedCase(Command& command, SubmissionOptions& o) {
  const InputSource source(o.problem);
  has_dout_ = source.has("dout");
  notes_ = apply_metadata(command, source.header->metadata);
  layout_ = parse_layout(o.parallel.layout), devices_ = o.parallel.devices;
  require_memory_for_case(command.name(), source);
  inputs_ = make_problem<double>(o.problem, source);
  results_ = read_submitted_results(command.name(), o.results, inputs_, layout_, devices_);
}

Submission SubmittedCase::submission() const {
  return {inputs_.problem(),
          has_dout_ ? inputs_.cotangents() : Cotangents<double>{},
          results_.view("out"),
          results_.view("lse"),
          results_.view("dq"),
          results_.view("dk"),
          results_.view("dv"),
          results_.declared,
          layout_,
          devices_};
}

Sharding SubmittedCase::sharding() const {
  return {layout_, devices_, inputs_.Q.shape().S, inputs_.K.shape().S};
}

}  // namespace ringattn::cli
