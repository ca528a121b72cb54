// `ringattn mistakes`: lists the catalogue, shows an entry, or writes the results of a mistake.

#include "reference/cli/commands.h"

#include <fmt/ranges.h>

#include "reference/cli/args/pair_terms.h"
#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/oracle/mistakes.h"
#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/paragraph.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn::cli {

namespace {

struct MistakesCommandOptions {
  std::string id;
  bool make = false;
  ProblemOptions problem;
  ParallelOptions parallel;
  std::optional<std::size_t> variant;
  std::vector<std::string> with;  // parameters of the variant, "name=value"
  std::optional<std::filesystem::path> output, json;
  bool self_test = false;
  Index every = 1;
};

// The case of --input, on which the variants are listed or a mistake is made.
struct MistakeContext {
  std::vector<std::string> notes;
  bool has_dout = false;
  OwnedProblem<double> inputs;
  Layout layout;
  int devices;

  MistakeContext(Command& command, MistakesCommandOptions& o) {
    const InputSource source(o.problem);
    has_dout = source.has("dout");
    notes = notes_on_file(command, source);
    reject_pair_terms("mistakes", source);
    const auto& [q, k, v] = source.shapes;
    const double scores = std::min(element_count({q.B, q.S, q.H, k.S}), max_simulated_scores);
    require_memory_for_case("mistakes", source, 3 * 8 * scores);
    inputs = make_problem<double>(o.problem, source);
    layout = parse_layout(o.parallel.layout);
    devices = simulated_devices(inputs.problem(), o.parallel.devices);
    if (devices < o.parallel.devices)
      notes.push_back(fmt::format(
          "the case has fewer tokens than devices; the mistake is simulated on a ring of {}", devices));
  }

  std::string name(const MistakesCommandOptions& o) const {
    return fmt::format("{}, {} device{}, {}", o.problem.input->string(), devices, devices == 1 ? "" : "s",
                       o.parallel.layout);
  }
};

bool has_parameters(const Variant& variant, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& each) {
    const std::vector<Parameter>& parameters = variant.parameters();
    return std::any_of(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
      return parameter.name + "=" + parameter.text == each;
    });
  });
}

// The number of the variant that the options choose; of several that match, the first
std::size_t select_variant(const Mistake& mistake, const Variants& variants, const MistakesCommandOptions& o,
                           const std::string& case_name) {
  require(!variants.empty(), "[mistakes] ", mistake.id, " cannot occur on this case; found ",
          in_quotes(case_name), "; choose another mask, layout or number of devices");
  const std::string advice = "; list them with ringattn mistakes " + mistake.id + " --input CASE";
  if (o.variant) {
    require(*o.variant < variants.size(), "[--variant] ", mistake.id, " has the variants 0 to ",
            variants.size() - 1, " on this case; found ", *o.variant, advice);
    return *o.variant;
  }
  const auto found = std::find_if(variants.begin(), variants.end(),
                                  [&](const Variant& variant) { return has_parameters(variant, o.with); });
  require(found != variants.end(), "[--with] the parameters must be those of a variant of ", mistake.id,
          "; found ", in_quotes(fmt::format("{}", fmt::join(o.with, " "))), ", but the first variant is ",
          in_quotes(variants.front().describe()), advice);
  return static_cast<std::size_t>(found - variants.begin());
}

std::string difference_text(const TensorDifference& d) {
  if (d.changed == 0) return paragraph("", d.tensor + " is right");
  return paragraph("", fmt::format("{} differs from the right result in {} of {} elements, by up to {:.4g}",
                                   d.tensor, d.changed, d.elements, d.largest));
}

Json difference_json(const TensorDifference& d) {
  return {{"elements", d.elements}, {"changed", d.changed}, {"largest", number(d.largest)}};
}

int make_and_write(Command& command, MistakesCommandOptions& o) {
  require_distinct_paths("mistakes", {{"--input", o.problem.input}},
                         {{"--output", o.output}, {"--json", o.json}});
  const Mistake& mistake = mistake_of_id(o.id);
  OutputFile file(*o.output);
  JsonOutput report(o.json);
  const MistakeContext context(command, o);
  const Variants variants = variants_on(mistake, context.inputs.problem(), context.layout, context.devices);
  const std::size_t number = select_variant(mistake, variants, o, context.name(o));
  const std::string parameters = variants[number].describe();

  // Make the mistake, and write the wrong results
  SimulatedMistake made = simulate_mistake(mistake, variants[number], context.inputs, context.has_dout,
                                           context.layout, context.devices);
  made.results.metadata = {{"mistake", mistake.id}, {"title", mistake.title}, {"parameters", parameters}};
  write_safetensors(file.stream(), made.results);
  file.commit();

  // Report which variant it is, and how far the results are from the right ones
  std::string text = paragraph(mistake.id, mistake.title);
  Json json{{"id", mistake.id}, {"reading", number}, {"parameters", parameters}};
  if (!parameters.empty())
    text += paragraph("", fmt::format("variant {} of {}: {}", number, variants.size(), parameters));
  for (const std::string& note : context.notes) text += paragraph("NOTE", note);
  text += paragraph("WROTE", o.output->string());
  for (const TensorDifference& each : made.differences) {
    text += difference_text(each);
    json["tensors"][each.tensor] = difference_json(each);
  }
  report.write(text, json);
  return 0;
}

int run(Command& command, MistakesCommandOptions& o) {
  if (o.self_test) return print_self_test(o.every, o.json);
  require(!o.id.empty() || (!o.make && !o.problem.input),
          "[mistakes] --make and --input need one mistake; found no ID; choose an ID that ringattn mistakes "
          "lists");
  if (o.make) return make_and_write(command, o);
  require_distinct_paths("mistakes", {{"--input", o.problem.input}}, {{"--json", o.json}});
  JsonOutput report(o.json);
  if (o.id.empty()) {
    report.write(catalogue_text(), catalogue_json());
    return 0;
  }
  const Mistake& mistake = mistake_of_id(o.id);
  MistakeVariants available;
  if (o.problem.input) {
    const MistakeContext context(command, o);
    available = {context.name(o),
                 variants_on(mistake, context.inputs.problem(), context.layout, context.devices)};
  } else {
    available = example_variants(mistake);
  }
  report.write(entry_text(mistake, available), entry_json(mistake, available));
  return 0;
}

void add_options(Command& command, MistakesCommandOptions& o) {
  command.add_option("id", o.id, "id of a mistake, such as O1; without it, list all mistakes")
      ->type_name("ID");
  Option* input = command
                      .add_option("--input", o.problem.input,
                                  "case on which the mistake is made: safetensors, .npz or .pt with q k v")
                      ->check(not_empty())
                      ->type_name("CASE");
  Option* output = command.add_option("--output", o.output, "write the wrong results (safetensors)")
                       ->check(not_empty())
                       ->type_name("FILE");
  Option* make = command.add_flag("--make", o.make,
                                  "make the mistake on purpose: write the wrong out and lse, and "
                                  "dq dk dv if it affects the backward pass");
  make->needs(input)->needs(output);
  output->needs(make);
  Option* variant =
      command.add_option("--variant,--reading", o.variant, "number of the variant (default: the first)")
          ->check(whole_number(0, 1 << 30))
          ->needs(make)
          ->type_name("N");
  command.add_option("--with", o.with, "choose the first variant with these parameters")
      ->check(not_empty())
      ->needs(make)
      ->excludes(variant)
      ->type_name("NAME=VALUE...");
  Option* self_test =
      command.add_flag("--self-test", o.self_test,
                       "make every mistake on 18 rings and check that the oracle names it; takes minutes");
  command
      .add_option("--every", o.every,
                  "make only every N-th mistake on each ring; up to 18, every mistake is made on some ring")
      ->check(whole_number(1, 18))
      ->needs(self_test)
      ->type_name("N");
  for (Option* other : {command.find("id"), input}) self_test->excludes(other);
  add_json_option(command, o.json);

  // The options of the case need a case
  std::vector<const Option*> own;
  for (const Option* option : command.options()) own.push_back(option);
  add_mask_options(command, o.problem);
  add_sharding_options(command, o.parallel);
  for (Option* option : command.options())
    if (std::find(own.begin(), own.end(), option) == own.end()) option->needs(input);
}

}  // namespace

void add_mistakes(Program& program) {
  Command* command =
      program.add_command("mistakes", "Show the catalogue of mistakes, or make one of them on purpose");
  const auto o = std::make_shared<MistakesCommandOptions>();
  command->footer(
      "Examples:\n  ringattn mistakes\n  ringattn mistakes O1\n"
      "  ringattn mistakes R9 --input case.safetensors --devices 4\n"
      "  ringattn mistakes R9 --make --input case.safetensors --devices 4 --with device=1 --output "
      "wrong.safetensors\n"
      "  ringattn check case.safetensors --out wrong.safetensors --devices 4\n"
      "  ringattn mistakes --self-test --every 18");
  add_options(*command, *o);
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
