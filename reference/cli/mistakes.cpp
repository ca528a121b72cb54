#include "reference/cli/mistakes.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "reference/cli/file_purposes.h"
#include "reference/cli/json_output.h"
#include "reference/cli/made_mistake.h"
#include "reference/cli/mistakes_report.h"
#include "reference/cli/paragraph.h"
#include "reference/cli/self_test.h"
#include "reference/cli/values.h"
#include "reference/oracle/catalogue.h"

namespace ringattn::cli {

namespace {

struct MistakesCommand {
  std::string id;
  bool make = false;
  ProblemOptions problem;
  SpreadOptions spread;
  std::optional<std::size_t> reading;
  std::vector<std::string> with;  // "name=said"
  std::optional<std::filesystem::path> output, json;
  bool self_test = false;
  Index every = 1;
};

// The case of --input, on which a mistake is looked at or made.
struct Stage {
  std::vector<std::string> notes;
  bool has_dout = false;
  Case<double> c;
  Layout layout;
  int devices;

  Stage(CLI::App& command, MistakesCommand& o) {
    Source source(o.problem);
    has_dout = source.file->has("dout");
    notes = apply_metadata(command, source.file->metadata);
    c = make_case<double>(o.problem, std::move(source));
    layout = parse_layout(o.spread.layout), devices = o.spread.devices;
  }

  std::string name(const MistakesCommand& o) const {
    return fmt::format("{}, {} device{}, {}", o.problem.input->string(), devices, devices == 1 ? "" : "s",
                       o.spread.layout);
  }
};

bool has_all(const Reading& reading, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& each) {
    const std::vector<Parameter>& parameters = reading.parameters();
    return std::any_of(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
      return parameter.name + "=" + parameter.said == each;
    });
  });
}

// The number of the reading that was asked for; the first one that fits where several do
std::size_t chosen(const Mistake& mistake, const Readings& readings, const MistakesCommand& o,
                   const std::string& place) {
  require(!readings.empty(), "[mistakes] the case must be able to have the mistake; found ", mistake.id, ", ",
          in_quotes(mistake.title), ", which cannot happen on ", place,
          "; choose another mask, layout or number of devices");
  const std::string see = "; see ringattn mistakes " + mistake.id + " --input CASE";
  if (o.reading) {
    require(*o.reading < readings.size(), "[--reading] ", mistake.id, " has the readings 0 to ",
            readings.size() - 1, " here; found ", *o.reading, see);
    return *o.reading;
  }
  const auto found = std::find_if(readings.begin(), readings.end(),
                                  [&](const Reading& reading) { return has_all(reading, o.with); });
  require(found != readings.end(), "[--with] ", mistake.id, " must have a reading like that; found ",
          in_quotes(CLI::detail::join(o.with, " ")), ", and its first one is ",
          in_quotes(readings.front().describe()), see);
  return static_cast<std::size_t>(found - readings.begin());
}

std::string text_of(const Difference& d) {
  if (d.changed == 0) return paragraph("", d.tensor + " is what is right");
  return paragraph("", fmt::format("{} differs from what is right in {} of {} elements, by up to {:.4g}",
                                   d.tensor, d.changed, d.elements, d.largest));
}

Json json_of(const Difference& d) {
  return {{"elements", d.elements}, {"changed", d.changed}, {"largest", number(d.largest)}};
}

int make(CLI::App& command, MistakesCommand& o) {
  require_one_purpose("mistakes", {{"--input", o.problem.input}},
                      {{"--output", o.output}, {"--json", o.json}});
  const Mistake& mistake = mistake_of_id(o.id);
  OutputFile file(*o.output);
  JsonOutput report(o.json);
  const Stage stage(command, o);
  const Readings readings = readings_on(mistake, stage.c.problem(), stage.layout, stage.devices);
  const std::size_t number = chosen(mistake, readings, o, stage.name(o));
  const std::string parameters = readings[number].describe();

  MadeMistake made =
      make_mistake(mistake, readings[number], stage.c, stage.has_dout, stage.layout, stage.devices);
  made.results.metadata = {{"mistake", mistake.id}, {"title", mistake.title}, {"parameters", parameters}};
  write_safetensors(file.stream(), made.results);
  file.commit();

  std::string text = paragraph(mistake.id, mistake.title);
  Json json{{"id", mistake.id}, {"reading", number}, {"parameters", parameters}};
  if (!parameters.empty())
    text += paragraph("", fmt::format("reading {} of {}: {}", number, readings.size(), parameters));
  for (const std::string& note : stage.notes) text += paragraph("NOTE", note);
  text += paragraph("WROTE", o.output->string());
  for (const Difference& each : made.differences) {
    text += text_of(each);
    json["tensors"][each.tensor] = json_of(each);
  }
  report.deliver(text, json);
  return 0;
}

int run(CLI::App& command, MistakesCommand& o) {
  if (o.self_test) return print_self_test(o.every, o.json);
  require(!o.id.empty() || (!o.make && !o.problem.input),
          "[mistakes] --make and --input are for one mistake; found no ID; choose one, as ringattn mistakes "
          "lists them");
  if (o.make) return make(command, o);
  require_one_purpose("mistakes", {{"--input", o.problem.input}}, {{"--json", o.json}});
  JsonOutput report(o.json);
  if (o.id.empty()) {
    report.deliver(catalogue_text(), catalogue_json());
    return 0;
  }
  const Mistake& mistake = mistake_of_id(o.id);
  Occurrence occurrence;
  if (o.problem.input) {
    const Stage stage(command, o);
    occurrence = {stage.name(o), readings_on(mistake, stage.c.problem(), stage.layout, stage.devices)};
  } else {
    occurrence = usual_occurrence(mistake);
  }
  report.deliver(entry_text(mistake, occurrence), entry_json(mistake, occurrence));
  return 0;
}

void add_options(CLI::App& command, MistakesCommand& o) {
  command.add_option("id", o.id, "which one, as O1; without it, the table of all")->type_name("ID");
  CLI::Option* input =
      command.add_option("--input", o.problem.input, "the case it is to happen on, safetensors with q k v")
          ->type_name("CASE");
  CLI::Option* output = command.add_option("--output", o.output, "write the wrong results, as safetensors")
                            ->check(not_empty())
                            ->type_name("FILE");
  CLI::Option* make = command.add_flag("--make", o.make,
                                       "make the mistake on purpose: its out and lse, and "
                                       "dq dk dv where it is one of the backward");
  make->needs(input)->needs(output);
  output->needs(make);
  CLI::Option* reading =
      command.add_option("--reading", o.reading, "which of its readings (default: the first)")
          ->check(whole_number(0, 1 << 30))
          ->needs(make)
          ->type_name("N");
  command.add_option("--with", o.with, "the first reading with these parameters")
      ->check(not_empty())
      ->needs(make)
      ->excludes(reading)
      ->type_name("NAME=VALUE...");
  CLI::Option* self_test = command.add_flag(
      "--self-test", o.self_test, "make every mistake on 18 rings and see whether it is named: minutes");
  command
      .add_option("--every", o.every, "only every N-th mistake on each ring, at most 18; all come up then")
      ->check(whole_number(1, 18))
      ->needs(self_test)
      ->type_name("N");
  for (CLI::Option* other : {command.get_option("id"), input}) self_test->excludes(other);
  add_json_option(command, o.json);

  // The others say how the case is read
  std::vector<const CLI::Option*> own;
  for (const CLI::Option* option : command.get_options()) own.push_back(option);
  add_mask_options(command, o.problem);
  add_shard_options(command, o.spread);
  for (CLI::Option* option : command.get_options())
    if (std::find(own.begin(), own.end(), option) == own.end()) option->needs(input);
}

}  // namespace

Action add_mistakes(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("mistakes", "The catalogue of mistakes, each of which can be made on purpose");
  const auto o = std::make_shared<MistakesCommand>();
  command->footer(
      "Examples:\n  ringattn mistakes\n  ringattn mistakes O1\n"
      "  ringattn mistakes R9 --input case.safetensors --devices 4\n"
      "  ringattn mistakes R9 --make --input case.safetensors --devices 4 --with device=1 --output "
      "wrong.safetensors\n"
      "  ringattn check case.safetensors --out wrong.safetensors --devices 4\n"
      "  ringattn mistakes --self-test --every 18");
  add_options(*command, *o);
  return [command, o] { return run(*command, *o); };
}

}  // namespace ringattn::cli
