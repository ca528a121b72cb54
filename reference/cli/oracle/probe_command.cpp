// `ringattn probe`: writes a test case whose right results have a closed form.

#include "reference/cli/commands.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/oracle/probe_file.h"
#include "reference/cli/output/paragraph.h"
#include "reference/definition/input/bad_input.h"
#include "reference/files/output_file.h"

namespace ringattn::cli {

namespace {

struct ProbeCommandOptions {
  std::string kind;
  ProbeShape shape;
  std::optional<Index> kv_heads, key;
  std::string causal_align = "bottom-right", dtype = "f32";
  ParallelOptions parallel;
  std::optional<std::filesystem::path> output, second_run;
};

std::string probe_table() {
  std::string text = "Inputs that make certain mistakes visible, and the mistakes they are made for:\n\n";
  for (const ProbeKind& row : probe_kinds()) {
    text += paragraph(std::string(row.kind), std::string(row.shows), 16);
    text += paragraph("", fmt::format("[{}]", fmt::join(row.made_for, " ")), 16);
  }
  return text +
         fmt::format(
             "\n{} probes; ringattn probe KIND --output FILE writes one and describes its right result\n",
             probe_kinds().size());
}

std::string describe_probe(std::string_view kind) {
  std::string text;
  for (const ProbeKind& row : probe_kinds())
    if (row.kind == kind)
      text = paragraph("PROBE", fmt::format("{}: {}", row.kind, row.shows)) +
             paragraph("RIGHT", std::string(row.right_answer)) +
             paragraph("MADE FOR", fmt::format("{}", fmt::join(row.made_for, " ")));
  return text;
}

std::string text_of(const Shape& s) { return fmt::format("({}, {}, {}, {})", s.B, s.S, s.H, s.D); }

// The probe for a second run, with the change whose effect on the result is known
Probe make_second_run(const Probe& probe, const ProbeCommandOptions& o) {
  if (probe.kind == "duplicate") return without_twins(probe);
  require(probe.kind == "leak", "[probe] only leak and duplicate have a second run; found ", probe.kind,
          "; leave --second-run out");
  return leak_of(probe, o.key.value_or(probe.K.shape().S / 2));
}

ProbeShape shape_of(const ProbeCommandOptions& o) {
  ProbeShape shape = o.shape;
  shape.kv_heads = o.kv_heads.value_or(shape.heads % 2 == 0 ? shape.heads / 2 : shape.heads);
  shape.devices = o.parallel.devices;
  shape.layout = parse_layout(o.parallel.layout);
  shape.causal_align = o.causal_align == "top-left" ? CausalAlign::top_left : CausalAlign::bottom_right;
  return shape;
}

std::string output_line(const std::filesystem::path& path, const Probe& probe, const std::string& dtype) {
  return paragraph("WROTE",
                   fmt::format("{}: q {}, k {}, v {}, dout, {}", path.string(), text_of(probe.Q.shape()),
                               text_of(probe.K.shape()), text_of(probe.V.shape()), dtype));
}

int write_probe(const ProbeCommandOptions& o) {
  require_distinct_paths("probe", {}, {{"--output", o.output}, {"--second-run", o.second_run}});
  OutputFile first(*o.output);
  std::optional<OutputFile> second;
  if (o.second_run) second.emplace(*o.second_run);

  const ProbeShape shape = shape_of(o);
  const auto write = [&](OutputFile& file, const Probe& probe) {
    write_safetensors(file.stream(),
                      probe_to_safetensors(probe, shape.causal_align, o.parallel, parse_dtype(o.dtype)));
  };
  const Probe probe = make_probe(o.kind, shape);
  std::string text = describe_probe(o.kind) + output_line(*o.output, probe, o.dtype);
  write(first, probe);
  if (second) {
    const Probe second_probe = make_second_run(probe, o);
    write(*second, second_probe);
    second->commit();
    text += output_line(*o.second_run, second_probe, o.dtype);
  }
  first.commit();
  fmt::print("{}{}", text,
             paragraph("THEN", fmt::format("ringattn check {} --out YOURS", o.output->string())));
  return 0;
}

int run(const ProbeCommandOptions& o) {
  if (o.kind.empty()) {
    require(
        !o.output,
        "[probe] --output needs the kind of the probe; found none; choose a KIND that ringattn probe lists");
    fmt::print("{}", probe_table());
    return 0;
  }
  require(o.output || !o.second_run,
          "[probe] --second-run needs the first run; found no --output; pass --output");
  require(
      !o.key || (o.second_run && o.kind == "leak"),
      "[probe] --key is the token that the second run of leak changes; found no such run; leave --key out");
  if (o.output) return write_probe(o);

  // Without --output the probe is only described; making it checks the options
  make_probe(o.kind, shape_of(o));
  fmt::print("{}", describe_probe(o.kind));
  return 0;
}

void add_options(Command& command, ProbeCommandOptions& o) {
  const auto count = [&](const char* name, auto& variable, const char* description) {
    return command.add_option(name, variable, description)->check(whole_number(1, 1 << 30))->type_name("N");
  };
  count("--seq", o.shape.Sq, "query tokens")->capture_default_str();
  count("--kv-seq", o.shape.Skv, "key tokens (default: --seq)");
  count("--batch", o.shape.batch, "sequences")->capture_default_str();
  count("--heads", o.shape.heads, "query heads")->capture_default_str();
  count("--kv-heads", o.kv_heads, "K/V heads (default: half of --heads, or --heads if that is odd)");
  count("--dim", o.shape.dim, "head dimension of q and k")->capture_default_str();
  count("--v-dim", o.shape.v_dim, "head dimension of v (default: the most readable for the probe)");
  command
      .add_option("--dtype", o.dtype,
                  "storage type: f64, f32, bf16, f16; every probe is exact in each of them")
      ->check(one_of({"f64", "f32", "bf16", "f16"}))
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--seed", o.shape.seed, "seed of the random numbers")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str();
  command.add_flag("--causal", o.shape.causal, "mask keys after the query");
  command
      .add_option("--causal-align", o.causal_align,
                  "alignment when the numbers of queries and keys differ: bottom-right, top-left")
      ->check(one_of({"bottom-right", "top-left"}))
      ->type_name("NAME")
      ->capture_default_str();
  const auto file = [&](const char* name, auto& path, const char* description) {
    command.add_option(name, path, description)->check(not_empty())->type_name("FILE");
  };
  file("--output", o.output, "write the probe as a case for your implementation (safetensors)");
  file("--second-run", o.second_run, "also write the second run of leak or duplicate");
  command.add_option("--key", o.key, "token that the second run of leak changes (default: the middle one)")
      ->check(whole_number(0, 1 << 30))
      ->type_name("N");
  add_sharding_options(command, o.parallel);
}

}  // namespace

void add_probe(Program& program) {
  Command* command = program.add_command("probe", "Write inputs that make certain mistakes visible");
  const auto o = std::make_shared<ProbeCommandOptions>();
  command->footer(
      "Examples:\n  ringattn probe\n"
      "  ringattn probe staircase-up --seq 512 --causal --devices 4 --layout zigzag --output "
      "case.safetensors\n"
      "  ringattn check case.safetensors --out mine.safetensors\n"
      "  ringattn probe leak --key 100 --output first.safetensors --second-run second.safetensors\n\n"
      "The file holds the options of the probe as metadata, so check needs none.");
  command->add_option("kind", o->kind, "kind of the probe; without it, list all kinds")->type_name("KIND");
  add_options(*command, *o);
  command->action([o] { return run(*o); });
}

}  // namespace ringattn::cli
