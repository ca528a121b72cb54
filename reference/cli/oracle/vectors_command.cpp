// `ringattn vectors`: lists and writes the golden vectors, and runs them on a program.

#include "reference/cli/commands.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "reference/cli/oracle/tested_program.h"
#include "reference/cli/oracle/vectors.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/paragraph.h"
#include "reference/cli/output/progress.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn::cli {

namespace {

struct VectorsCommandOptions {
  std::string action, filter, dtype = "f32";
  std::optional<std::filesystem::path> directory, json;
  ProgramUnderTest program;
};

std::vector<GoldenVector> select_vectors(const VectorsCommandOptions& o) {
  std::vector<GoldenVector> vectors = golden_vectors();
  std::erase_if(vectors, [&](const GoldenVector& v) { return v.id.find(o.filter) == std::string::npos; });
  require(!vectors.empty(), "[--filter] the text must occur in the id of a vector; found none with ",
          in_quotes(o.filter), "; list the ids with ringattn vectors list");
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
    text += paragraph(v.id, fmt::format("{}, detects {}: {}", name(v.size), score.kills[n].size(), v.comment),
                      21);
    rows.push_back({{"id", v.id}, {"size", name(v.size)}, {"comment", v.comment}, {"kills", score.kills[n]}});
  }
  text += score.alive.empty() ? "" : fmt::format("\nnot detected: {}\n", fmt::join(score.alive, " "));
  text += fmt::format("\n{} vectors detect {} of {} mistakes of the catalogue\n", vectors.size(),
                      score.killed, score.mistakes);
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

std::string result_line(const VectorResult& result) {
  if (!result.message.empty()) return fmt::format("{}: {}", name(result.outcome), result.message);
  const std::string ratio =
      result.ratio < 10 ? fmt::format("{:.2g}", result.ratio) : fmt::format("{:.0f}", result.ratio);
  const std::string names = result.names.empty() ? "" : fmt::format("; {}", fmt::join(result.names, " or "));
  return fmt::format("{}, {} x the tolerance{}  ({})", name(result.outcome), ratio, names,
                     fmt::join(result.tensors, " "));
}

Json result_json(const GoldenVector& vector, const VectorResult& result) {
  return {{"id", vector.id},           {"outcome", name(result.outcome)}, {"ratio", number(result.ratio)},
          {"tensors", result.tensors}, {"names", result.names},           {"said", result.message}};
}

// How many results each mistake explains, the most frequent mistake first
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
  // Run the program on each vector
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

  // Count the mistakes over all vectors
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
  const auto only_for = [&](const char* option, std::initializer_list<std::string_view> actions) {
    require(
        command.count(option) == 0 || std::find(actions.begin(), actions.end(), o.action) != actions.end(),
        "[vectors] ", option, " belongs to ", *actions.begin(), "; found it with ", o.action,
        "; leave it out");
  };
  only_for("directory", {"write"});
  only_for("--program", {"run"});
  only_for("--dtype", {"run"});
  only_for("--implementation", {"run"});
  only_for("--filter", {"run", "list"});
  require(o.action != "write" || o.directory,
          "[vectors] write needs a folder for the files; found none; give DIR");
  if (o.action == "run") check_program(o.program.command);
}

}  // namespace

void add_vectors(Program& program) {
  Command* command = program.add_command(
      "vectors", "Golden vectors: cases with their right results, to test a program with");
  const auto o = std::make_shared<VectorsCommandOptions>();
  command->footer(
      "Examples:\n  ringattn vectors list\n  ringattn vectors write vectors/\n"
      "  ringattn vectors run --program 'python3 mine.py {case} {out}' --dtype bf16\n"
      "  ringattn vectors run --program 'ringattn run --input {case} --backward --output {out}'\n\n"
      "The program reads the safetensors file {case}, whose metadata hold the options, and writes any of\n"
      "out lse dq dk dv to the safetensors file {out}. It exits with status 77 if it lacks a feature.\n\n"
      "Exit status: 0 all right, 1 some wrong, 2 bad input.");
  command->add_option("action", o->action, "list, write or run")
      ->required()
      ->check(one_of({"list", "write", "run"}))
      ->type_name("ACTION");
  command->add_option("directory", o->directory, "for write: folder of the files")
      ->check(not_empty())
      ->type_name("DIR");
  command
      ->add_option("--program", o->program.command, "for run: shell command that contains {case} and {out}")
      ->type_name("COMMAND");
  command->add_option("--dtype", o->dtype, "for run: storage type of the cases: f64, f32, bf16, f16")
      ->check(one_of({"f64", "f32", "bf16", "f16"}))
      ->type_name("NAME")
      ->capture_default_str();
  command
      ->add_option(
          "--implementation", o->program.implementation,
          "for run: operand type of your matrix products: f64, f32, tf32, bf16, f16 (default: the type of "
          "out)")
      ->check(one_of(precision_names()))
      ->type_name("NAME");
  command->add_option("--filter", o->filter, "select the vectors whose id contains this text")
      ->type_name("TEXT");
  add_json_option(*command, o->json);
  command->action([command, o] {
    check_option_conflicts(*command, *o);
    return o->action == "list"    ? list_vectors(*o)
           : o->action == "write" ? write_vector_files(*o)
                                  : run_vectors(*o);
  });
}

}  // namespace ringattn::cli
