#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/args/command.h"


namespace ringattn::cli {

void add_submission_options(Command& command, SubmissionOptions& o) {
  command.add_option("case", o.problem.input, "safetensors file with q k v, and dout for gradients")
      ->required()
      ->type_name("CASE");
  add_result_options(command, o.results);
  add_mask_options(command, o.problem);
  add_sharding_options(command, o.spread);
}

void SubmissionOptions::check_output_paths(const std::string& command,
                                     const std::vector<PathOption>& written) const {
  std::vector<PathOption> read{{"CASE", problem.input}};
  const std::pair<const char*, const std::vector<std::filesystem::path>*> options[] = {{"--out", &results.out},
                                                                                       {"--lse", &results.lse},
                                                                                       {"--dq", &results.dq},
                                                                                       {"--dk", &results.dk},
                                                                                       {"--dv", &results.dv}};
  for (const auto& [option, paths] : options)
    for (const std::filesystem::path& path : *paths) read.push_back({option, path});
  require_distinct_paths(command, read, written);
}

SubmittedCase::SubmittedCase(Command& command, SubmissionOptions& o) {
  InputSource source(o.problem);
  has_dout_ = source.file->has("dout");
  notes_ = apply_metadata(command, source.file->metadata);
  layout_ = parse_layout(o.spread.layout), devices_ = o.spread.devices;
  case_ = make_problem<double>(o.problem, std::move(source));
  results_ = read_submitted_results(command.name(), o.results, case_, layout_, devices_);
}

Submission SubmittedCase::submission() const {
  return {case_.problem(),
          has_dout_ ? case_.cotangents() : Cotangents<double>{},
          results_.view("out"),
          results_.view("lse"),
          results_.view("dq"),
          results_.view("dk"),
          results_.view("dv"),
          results_.declared,
          layout_,
          devices_};
}

Sharding SubmittedCase::sharding() const { return {layout_, devices_, case_.Q.shape().S, case_.K.shape().S}; }

}  // namespace ringattn::cli
