// `ringattn memory`: compares the ring with attention memories of constant size.

#include "reference/cli/args/options.h"
#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/args/rule.h"
#include "reference/cli/commands.h"
#include "reference/cli/memory/memory_tables.h"
#include "reference/cli/output/json_output.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

namespace {

constexpr std::uint64_t most_tokens = std::uint64_t{1} << 18;

struct MemoryCommandOptions {
  std::vector<std::filesystem::path> text;
  std::string source = "all", pooling = "mean";
  Index seq = 8192, budget = 512, pool = 8;
  std::uint64_t seed = 0;
  MemoryOptions memory;  // of --window and the options that need it
  ParallelOptions parallel;
  std::optional<std::filesystem::path> json;  // a file, or "-"
};

void check_conflicts(const Command& command, const MemoryCommandOptions& o) {
  std::vector<PathOption> read;
  for (const std::filesystem::path& text : o.text) read.push_back({"--text", text});
  require_distinct_paths("memory", read, {{"--json", o.json}});
  for (const char* name : {"--source", "--seq", "--seed"})
    require(o.text.empty() || command.count(name) == 0, "[memory] ", name,
            " describes generated input; found --text as well; remove one of the two");
  require(command.count("--window") == 0 || command.count("--budget") == 0,
          "[memory] --budget sets the size of the memories of the papers, --window that of your own; found "
          "both; remove "
          "one of the two");
}

std::vector<MemoryInput> make_inputs(const MemoryCommandOptions& o) {
  std::vector<MemoryInput> inputs;
  if (!o.text.empty())
    inputs.push_back(text_input(read_text(o.text)));
  else
    for (const std::string& name : generated_inputs())
      if (o.source == "all" || o.source == name) inputs.push_back(generate_input(name, o.seq, o.seed));
  return inputs;
}

// Those of the papers, or the one that --window and other options describe
std::vector<NamedMemory> make_memories(const Command& command, const MemoryCommandOptions& o,
                                       const Shape& kv) {
  MemoryOptions memory = o.memory;
  memory.kernel = o.pooling == "mean" ? mean_kernel(o.pool) : ramp_kernel(o.pool);
  check(memory);
  if (command.count("--window") > 0) return {{"custom", memory}};
  return preset_memories(o.budget, kv.D, kv.D, memory);
}

int run(const Command& command, const MemoryCommandOptions& o) {
  check_conflicts(command, o);
  JsonOutput json(o.json);
  const RingOptions ring = o.parallel.ring_options();
  const std::vector<MemoryInput> inputs = make_inputs(o);
  const std::vector<NamedMemory> memories = make_memories(command, o, inputs.front().inputs.K.shape());

  ProgressBar progress(inputs.front().tokens() * std::ssize(memories) * std::ssize(inputs), "tokens");
  std::vector<InputResult> results;
  for (const MemoryInput& input : inputs) results.push_back(run_experiment(input, memories, ring, progress));
  progress.clear();
  json.write(tables(results, ring.devices), to_json(results, ring.devices));
  return ring_passed(results) ? right : wrong;
}

void add_input_options(Command& command, MemoryCommandOptions& o) {
  const std::string group = "Input";
  std::vector<std::string> sources = generated_inputs();
  sources.insert(sources.begin(), "all");
  command
      .add_option("--source", o.source,
                  "generated input, by where attention goes: all, random, local, sink, topics, needle")
      ->check(one_of(sources))
      ->type_name("NAME")
      ->capture_default_str()
      ->group(group);
  command.add_option("--text", o.text, "text files; each word is a token of the induction head of recall")
      ->type_name("FILE...")
      ->group(group);
  command.add_option("--seq", o.seq, "generated tokens")
      ->check(whole_number(64, most_tokens))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  command.add_option("--seed", o.seed, "seed of the random numbers")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
}

void add_memory_options(Command& command, MemoryCommandOptions& o) {
  const std::string group = "Memory", own_group = "A memory of your own, instead of those of the papers";
  command.add_option("--budget", o.budget, "slots of each memory of the papers")
      ->check(whole_number(128, most_tokens))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  command.add_option("--pool", o.pool, "tokens that are pooled into one slot")
      ->check(whole_number(1, 64))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--pooling", o.pooling,
                  "weights of pooled tokens: mean (equal), convolution (newer ones weigh more)")
      ->check(one_of({"mean", "convolution"}))
      ->type_name("NAME")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--gate", o.memory.gate,
                  "part of the linear memory in the output, from 0 to 1; models learn it")
      ->check(nonnegative_number())
      ->type_name("X")
      ->capture_default_str()
      ->group(group);

  Option* window = command.add_option("--window", o.memory.window, "recent tokens")
                       ->check(whole_number(1, most_tokens))
                       ->type_name("N")
                       ->group(own_group);
  const auto part = [&](const char* name, Index& variable, const char* description) {
    command.add_option(name, variable, description)
        ->check(whole_number(0, most_tokens))
        ->needs(window)
        ->type_name("N")
        ->group(own_group);
  };
  part("--sinks", o.memory.sinks, "first tokens, kept for good (attention sinks)");
  part("--heavy-hitters", o.memory.heavy_hitters, "tokens with the most attention so far");
  part("--pooled", o.memory.pooled_slots, "slots of pooled tokens");
  command.add_flag("--linear", o.memory.linear, "add tokens that leave all slots to a linear memory")
      ->needs(window)
      ->group(own_group);
}

}  // namespace

void add_memory(Program& program) {
  Command* command = program.add_command(
      "memory", "Compare memories of constant size, which are approximate, with exact ring attention");
  const auto o = std::make_shared<MemoryCommandOptions>();
  o->parallel.devices = 8;
  command->footer(
      "Examples:\n"
      "  ringattn memory\n"
      "  ringattn memory --source needle --seq 65536 --budget 2048\n"
      "  ringattn memory --source topics --window 100 --sinks 4 --heavy-hitters 24 --pooled 16 --linear\n"
      "  ringattn memory --text book.txt --json report.json");
  add_input_options(*command, *o);
  add_memory_options(*command, *o);
  add_json_option(*command, o->json);
  add_parallel_options(*command, o->parallel, {"threads", "lockstep"});
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
