#include "reference/cli/commands.h"
#include "reference/cli/args/command.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "reference/cli/output/json_output.h"
#include "reference/cli/output/paragraph.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/args/rule.h"
#include "reference/cli/oracle/vectors_file.h"
#include "reference/cli/oracle/vectors_run.h"
#include "reference/definition/bad_input.h"

namespace ringattn::cli {

namespace {

struct VectorsCommandOptions {
  std::string what, filter, dtype = "f32";
  std::optional<std::filesystem::path> directory, json;
  ProgramUnderTest program;
};

std::vector<GoldenVector> select_vectors(const VectorsCommandOptions& o) {
  std::vector<GoldenVector> vectors = golden_vectors();
  std::erase_if(vectors, [&](const GoldenVector& v) { return v.id.find(o.filter) == std::string::npos; });
  require(!vectors.empty(), "[--filter] some vector must have the text in its id; found none with ",
          in_quotes(o.filter), "; see ringattn vectors list");
  return vectors;
}

int list_vectors(const VectorsCommandOptions& o) {
  JsonOutput report(o.json);
  const std::vector<GoldenVector> vectors = select_vectors(o);
  const MutationScore score = mutation_score(vectors);
  std::string text;
  Json rows = Json::array();
  for (std::size_t n = 0; n < vectors.size(); ++n) {
    const GoldenVector& v = vectors[n];
    text +=
        paragraph(v.id, fmt::format("{}, kills {}: {}", name(v.size), score.kills[n].size(), v.comment), 21);
    rows.push_back({{"id", v.id}, {"size", name(v.size)}, {"comment", v.comment}, {"kills", score.kills[n]}});
  }
  text += score.alive.empty() ? "" : fmt::format("\nalive: {}\n", fmt::join(score.alive, " "));
  text += fmt::format("\n{} vectors kill {} of {} mistakes of the catalogue\n", vectors.size(), score.killed,
                      score.mistakes);
  report.write(
      text,
      {{"vectors", rows}, {"killed", score.killed}, {"mistakes", score.mistakes}, {"alive", score.alive}});
  return 0;
}

int write_vector_files(const VectorsCommandOptions& o) {
  JsonOutput report(o.json);
  std::string text;
  Json files = Json::array();
  for (const std::filesystem::path& path : write_vectors(*o.directory)) {
    const auto size = std::filesystem::file_size(path);
    text += paragraph("WROTE", fmt::format("{}, {} bytes", path.string(), size));
    files.push_back({{"file", path.string()}, {"bytes", size}});
  }
  report.write(text, {{"files", files}});
  return 0;
}

std::string result_line(const VectorResult& run) {
  if (!run.message.empty()) return fmt::format("{}: {}", name(run.outcome), run.message);
  const std::string ratio =
      run.ratio < 10 ? fmt::format("{:.2g}", run.ratio) : fmt::format("{:.0f}", run.ratio);
  const std::string names = run.names.empty() ? "" : fmt::format("; {}", fmt::join(run.names, " or "));
  return fmt::format("{}, {} allowances{}  ({})", name(run.outcome), ratio, names,
                     fmt::join(run.tensors, " "));
}

Json result_json(const GoldenVector& vector, const VectorResult& run) {
  return {{"id", vector.id},        {"outcome", name(run.outcome)}, {"ratio", number(run.ratio)},
          {"tensors", run.tensors}, {"names", run.names},           {"said", run.message}};
}

// How often each mistake may be what is wrong, the most frequent one first
std::vector<std::pair<std::string, int>> count_names(const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, int>> counts;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(counts.begin(), counts.end(), [&](const auto& each) { return each.first == name; });
    if (found == counts.end())
      counts.emplace_back(name, 1);
    else
      ++found->second;
  }
  std::stable_sort(counts.begin(), counts.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return counts;
}

int run_vectors(const VectorsCommandOptions& o) {
  JsonOutput report(o.json);
  ProgramUnderTest program = o.program;
  program.dtype = parse_dtype(o.dtype);
  const std::vector<GoldenVector> vectors = select_vectors(o);
  std::string text;
  Json rows = Json::array(), named = Json::array();
  std::vector<std::string> names;
  std::size_t right = 0, skipped = 0;
  {
    ProgressBar progress(static_cast<std::int64_t>(vectors.size()), "vectors");
    for (const GoldenVector& vector : vectors) {
      const VectorResult result = run_program(program, vector);
      right += result.passed(), skipped += result.outcome == Outcome::skipped;
      names.insert(names.end(), result.names.begin(), result.names.end());
      text += paragraph(vector.id, result_line(result), 21);
      rows.push_back(result_json(vector, result));
      progress.advance();
    }
  }
  std::string summary;
  for (const auto& [id, times] : count_names(names)) {
    summary += fmt::format("{} {} ({})", summary.empty() ? "" : ",", id, times);
    named.push_back({{"id", id}, {"vectors", times}});
  }
  text += summary.empty() ? "" : "\n" + paragraph("NAMED", summary.substr(1) + "; see ringattn mistakes ID");
  text += fmt::format("\n{} of {} vectors pass{}\n", right - skipped, vectors.size(),
                      skipped > 0 ? fmt::format(", {} skipped", skipped) : "");
  report.write(text, {{"vectors", rows},
                        {"passed", right - skipped},
                        {"skipped", skipped},
                        {"total", vectors.size()},
                        {"names", named}});
  return right == vectors.size() ? 0 : 1;
}

void check_option_conflicts(const Command& command, const VectorsCommandOptions& o) {
  const auto only_for = [&](const char* option, std::initializer_list<std::string_view> whats) {
    require(command.count(option) == 0 || std::find(whats.begin(), whats.end(), o.what) != whats.end(),
            "[vectors] ", option, " belongs to ", *whats.begin(), "; found it beside ", o.what,
            "; leave it out");
  };
  only_for("directory", {"write"});
  only_for("--program", {"run"});
  only_for("--dtype", {"run"});
  only_for("--implementation", {"run"});
  only_for("--filter", {"run", "list"});
  require(o.what != "write" || o.directory,
          "[vectors] a folder is wanted to write the files into; found none; give DIR");
  const std::string& program = o.program.command;
  require(o.what != "run" ||
              (program.find("{case}") != std::string::npos && program.find("{out}") != std::string::npos),
          "[--program] the command must say where {case} and {out} stand, the files that it reads and "
          "writes; found ",
          in_quotes(program), "; write --program './mine {case} {out}', say");
}

}  // namespace

void add_vectors(Program& program) {
  Command* command =
      program.add_command("vectors", "Golden vectors: cases with their right results, to test yourself with");
  const auto o = std::make_shared<VectorsCommandOptions>();
  command->footer(
      "Examples:\n  ringattn vectors list\n  ringattn vectors write vectors/\n"
      "  ringattn vectors run --program 'python3 mine.py {case} {out}' --dtype bf16\n"
      "  ringattn vectors run --program 'ringattn run --input {case} --backward --output {out}'\n\n"
      "The program reads the safetensors file {case}, whose metadata hold the options, and writes any of\n"
      "out lse dq dk dv into the safetensors file {out}. It ends with status 77 where it lacks a feature.\n\n"
      "Exit status: 0 all right, 1 some wrong, 2 bad input.");
  command->add_option("what", o->what, "list, write or run")
      ->required()
      ->check(one_of({"list", "write", "run"}))
      ->type_name("WHAT");
  command->add_option("directory", o->directory, "of write: where the files go")
      ->check(not_empty())
      ->type_name("DIR");
  command
      ->add_option("--program", o->program.command, "of run: a command for the shell, with {case} and {out}")
      ->type_name("COMMAND");
  command->add_option("--dtype", o->dtype, "of run: storage type of the cases: f64, f32, bf16, f16")
      ->check(one_of({"f64", "f32", "bf16", "f16"}))
      ->type_name("NAME")
      ->capture_default_str();
  command
      ->add_option("--implementation", o->program.implementation,
                   "of run: what your matrix products take: f64, f32, tf32, bf16, f16 (default: the type of "
                   "out)")
      ->check(one_of({"f64", "f32", "tf32", "bf16", "f16"}))
      ->type_name("NAME");
  command->add_option("--filter", o->filter, "only vectors with this text in their id")->type_name("TEXT");
  add_json_option(*command, o->json);
  command->action([command, o] {
    check_option_conflicts(*command, *o);
    return o->what == "list" ? list_vectors(*o) : o->what == "write" ? write_vector_files(*o) : run_vectors(*o);
  });
}

}  // namespace ringattn::cli
