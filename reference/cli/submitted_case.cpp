#include "reference/cli/submitted_case.h"

#include <CLI/CLI.hpp>

namespace ringattn::cli {

void add_submitted_options(CLI::App& command, SubmittedOptions& o) {
  command.add_option("case", o.problem.input, "safetensors file with q k v, and dout for gradients")
      ->required()
      ->type_name("CASE");
  add_claim_options(command, o.claims);
  add_mask_options(command, o.problem);
  add_shard_options(command, o.spread);
}

void SubmittedOptions::require_apart(const std::string& command,
                                     const std::vector<NamedFile>& written) const {
  std::vector<NamedFile> read{{"CASE", problem.input}};
  const std::pair<const char*, const std::vector<std::filesystem::path>*> options[] = {{"--out", &claims.out},
                                                                                       {"--lse", &claims.lse},
                                                                                       {"--dq", &claims.dq},
                                                                                       {"--dk", &claims.dk},
                                                                                       {"--dv", &claims.dv}};
  for (const auto& [option, paths] : options)
    for (const std::filesystem::path& path : *paths) read.push_back({option, path});
  require_one_purpose(command, read, written);
}

SubmittedCase::SubmittedCase(CLI::App& command, SubmittedOptions& o) {
  Source source(o.problem);
  has_dout_ = source.file->has("dout");
  notes_ = apply_metadata(command, source.file->metadata);
  layout_ = parse_layout(o.spread.layout), devices_ = o.spread.devices;
  case_ = make_case<double>(o.problem, std::move(source));
  claims_ = read_claims(command.get_name(), o.claims, case_, layout_, devices_);
}

Submission SubmittedCase::submission() const {
  return {case_.problem(),
          has_dout_ ? case_.cotangents() : Cotangents<double>{},
          claims_.view("out"),
          claims_.view("lse"),
          claims_.view("dq"),
          claims_.view("dk"),
          claims_.view("dv"),
          claims_.declared,
          layout_,
          devices_};
}

Spread SubmittedCase::spread() const { return {layout_, devices_, case_.Q.shape().S, case_.K.shape().S}; }

}  // namespace ringattn::cli
