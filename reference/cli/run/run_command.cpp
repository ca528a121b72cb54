#include "reference/cli/args/command.h"
#include "reference/cli/commands.h"

#include <fmt/ranges.h>

#include "reference/cli/args/make_problem.h"
#include "reference/cli/args/pair_terms.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/run/run_in_processes.h"
#include "reference/cli/run/run_memory.h"
#include "reference/cli/run/run_options.h"
#include "reference/cli/run/run_report.h"
#include "reference/cli/run/step_state_sink.h"
#include "reference/comm/mpi/mpi_transport.h"
#include "reference/definition/error/digits.h"
#include "reference/definition/input/bad_input.h"
#include "reference/files/available_memory.h"
#include "reference/files/output_file.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/export/perfetto.h"
#include "reference/trace/tee_sink.h"
#include "reference/trace/trace_store.h"

namespace ringattn::cli {

namespace {

// The options that were given or have a default, by name, with the actual shapes and storage type
template <class T>
Json config_json(const Command& command, const OwnedProblem<T>& inputs) {
  Json config;
  for (const Option* option : command.options()) {
    const std::string name = option->name();
    if (name == "--help") continue;
    const std::string value =
        option->count() ? fmt::format("{}", fmt::join(option->results(), ",")) : option->default_text();
    if (!value.empty()) config[name.substr(2)] = value;
  }
  const Shape &q = inputs.Q.shape(), &v = inputs.V.shape();
  const std::pair<const char*, Index> extents[] = {{"batch", q.B}, {"seq", q.S},      {"kv-seq", v.S},
                                                   {"heads", q.H}, {"kv-heads", v.H}, {"dim", q.D},
                                                   {"v-dim", v.D}};
  for (const auto& [name, extent] : extents) config[name] = std::to_string(extent);
  config["dtype"] = name(inputs.dtype);
  return config;
}

// The sinks that receive the events of a run
struct TraceSinks {
  Summary summary;
  ProgressSink progress;
  std::optional<TraceStore> store;
  std::optional<StepStateSink> steps;
  TeeSink all;

  explicit TraceSinks(const RunOptions& o)
      : summary(o.parallel.devices),
        progress(std::int64_t{o.parallel.devices} * blocks_per_device(o.strategy_options()) *
                 (o.backward ? 2 : 1)),
        all({}) {
    std::vector<TraceSink*> enabled{&summary, &progress};
    if (o.trace) enabled.push_back(&store.emplace(o.parallel.devices));
    if (o.steps) enabled.push_back(&steps.emplace(o.parallel.devices));
    all = TeeSink(enabled);
  }
};

// The storage type of lse, m, l and O
Dtype state_dtype(Dtype dtype) { return dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32; }

TraceHeader trace_header(const RunOptions& o, const RunReport& report, const std::vector<double>& sinks) {
  TraceHeader header;
  header.engine_version = RINGATTN_VERSION;
  header.devices = o.parallel.devices;
  header.batch = report.q.B, header.Sq = report.q.S, header.Skv = report.k.S;
  header.heads = report.q.H, header.kv_heads = report.k.H, header.head_dim = report.q.D,
  header.v_dim = report.v.D;
  header.layout = o.parallel.layout, header.rotate = o.parallel.rotate, header.dtype = name(report.dtype);
  header.strategy = o.strategy, header.group = o.group;
  header.sinks = sinks;
  header.overlap = o.parallel.overlap, header.transport = o.on_gpu() ? "gpu" : o.parallel.transport;
  if (o.backward) header.passes.push_back("backward");
  header.cost = o.parallel.cost_model();
  for (const auto& [key, value] : report.config.items())
    header.options.emplace_back(key, value.template get<std::string>());
  return header;
}

// The output files, opened before any work, so that a path that cannot be written is refused at once
struct OutputFiles {
  std::optional<OutputFile> output, trace, perfetto, steps, json;

  explicit OutputFiles(const RunOptions& o) {
    check_output_paths(o);
    if (o.output) output.emplace(*o.output);
    if (o.trace) trace.emplace(*o.trace);
    if (o.trace) perfetto.emplace(o.trace->string() + ".perfetto.json");
    if (o.steps) steps.emplace(*o.steps);
    if (o.json && *o.json != "-") json.emplace(*o.json);
  }

  void commit() {
    for (std::optional<OutputFile>* file : {&output, &trace, &perfetto, &steps, &json})
      if (*file) (*file)->commit();
  }
};

template <class T>
SafetensorsFile results_file(const RingResults<T>& results, Dtype dtype) {
  SafetensorsFile file;
  file.tensors["out"] = stored_tensor<T>(results.forward.out, dtype, Axes::bshd);
  file.tensors["lse"] = stored_row_tensor<T>(results.forward.lse, state_dtype(dtype));
  if (!results.gradients) return file;
  const auto& [dq, dk, dv, dsinks] = *results.gradients;
  file.tensors["dq"] = stored_tensor<T>(dq, dtype, Axes::bshd);
  file.tensors["dk"] = stored_tensor<T>(dk, dtype, Axes::bshd);
  file.tensors["dv"] = stored_tensor<T>(dv, dtype, Axes::bshd);
  if (dsinks.size() > 0) file.tensors["dsinks"] = stored_head_tensor<T>(dsinks, dtype);
  return file;
}

// Rounds results to the storage type, once, at the end
template <class T>
void round_results(RingResults<T>& results, Dtype dtype) {
  round_to(dtype, results.forward.out);
  if (results.gradients)
    for (Tensor<T>* tensor :
         {&results.gradients->dq, &results.gradients->dk, &results.gradients->dv, &results.gradients->dsinks})
      round_to(dtype, *tensor);
}

template <class T>
RunReport make_report(const Json& config, const RunOptions& o, const OwnedProblem<T>& inputs,
                      const TraceSinks& sinks, const RingResults<T>& results) {
  const RingOptions ring = o.parallel.ring_options();
  RunReport report{config,
                   {},
                   inputs.Q.shape(),
                   inputs.K.shape(),
                   inputs.V.shape(),
                   inputs.dtype,
                   o.backward,
                   o.parallel,
                   o.strategy,
                   o.group,
                   sinks.summary.devices(),
                   {},
                   sinks.summary.overlap(),
                   results.seconds,
                   results.processes,
                   results.gpu,
                   {}};
  for (int d = 0; d < ring.devices; ++d)
    report.rows_of_device.push_back(
        static_cast<Index>(rows_of_device(ring.layout, d, ring.devices, inputs.Q.shape().S).size()));
  // Tensor cores multiply P and dS in the storage type
  const double weight_rounding = results.gpu ? unit_roundoff(inputs.dtype) : 0;
  const Gradients<T>* gradients = results.gradients ? &*results.gradients : nullptr;
  report.check = check_against_definition(inputs, ring, results.forward, gradients, weight_rounding);
  return report;
}

// _compute_ runs the ring, or the part of it that belongs to this process
template <class T, class Compute>
int run_and_report(const Command& command, const RunOptions& o, std::vector<std::string> notes,
                   const InputSource& source, bool is_root, Compute compute) {
  reject_pair_terms("run", source);
  check_strategy(o.strategy_options(), source.shapes.q.H, source.shapes.k.H, o.backward);
  OutputFiles files(o);
  require_memory("[run] ", run_memory(o, source), "the problem with its shards, results and check",
                 "choose a smaller problem, or leave --trace and --steps out");
  const OwnedProblem<T> inputs = make_problem<T>(o.problem, source);
  if (o.backward) require_digits("run", inputs.problem(), inputs.cotangents(), inputs.dtype);
  const double tiles = plan_memory(inputs.q_positions, inputs.kv_positions, o.parallel.ring_options());
  require_memory("[run] ", run_memory(o, source) + tiles,
                 "the list of tiles between unequal steps of positions",
                 "use more devices, or positions that grow by equal steps");
  const Json config = config_json(command, inputs);

  // Run the ring and check its results
  TraceSinks sinks(o);
  RingResults<T> results = compute(config, inputs, sinks.all);
  if (!is_root) return 0;
  round_results(results, inputs.dtype);
  RunReport report = make_report(config, o, inputs, sinks, results);
  report.notes = std::move(notes);

  // Write the files
  sinks.progress.clear();
  if (files.output) write_safetensors(files.output->stream(), results_file(results, inputs.dtype));
  if (files.steps)
    write_safetensors(files.steps->stream(),
                      sinks.steps->to_safetensors(inputs.problem().out_shape(), state_dtype(inputs.dtype)));
  if (files.trace) {
    const std::vector<Event> events = sinks.store->events();
    write_json_lines(files.trace->stream(), trace_header(o, report, inputs.scoring.sinks), events);
    write_perfetto(files.perfetto->stream(), events);
  }
  if (files.json) files.json->stream() << pretty(to_json(report));
  files.commit();

  if (o.json && *o.json == "-")
    fmt::print("{}", pretty(to_json(report)));
  else
    print(report);
  return report.check.passed() ? 0 : 1;
}

// One device per process, unless --devices is given
void default_devices_to_process_count(Command& command, const RunOptions& o, const MpiCommunicator& mpi) {
  Option* devices = command.find("--devices");
  if (devices->count() == 0) devices->set(std::to_string(mpi.ranks()));
  require_one_process_per_device(mpi, o.parallel.devices);
}

// Only process 0 writes files and the report
RunOptions without_output_files(RunOptions o) {
  o.output.reset(), o.trace.reset(), o.steps.reset(), o.json.reset();
  return o;
}

// Runs the ring, or the part of it that belongs to this process
template <class T>
RingResults<T> compute(const RunOptions& o, const OwnedProblem<T>& inputs, MpiCommunicator* mpi,
                       TraceSink& events) {
  if constexpr (std::is_same_v<T, float>)
    if (o.on_gpu()) return run_ring_on_gpu(o, inputs, mpi, events);
  return mpi ? run_ring_on_mpi(o, inputs, *mpi, events) : run_ring_on_threads(o, inputs, events);
}

// _processes_: null unless the ring runs on several processes
template <class T>
int run(const Command& command, const RunOptions& o, std::vector<std::string> notes,
        const InputSource& source, ProcessGroup* processes) {
  if (!processes)
    return run_and_report<T>(command, o, std::move(notes), source, true,
                             [&](const Json&, const OwnedProblem<T>& inputs, TraceSink& events) {
                               return compute(o, inputs, nullptr, events);
                             });
  const bool is_root = processes->is_root();
  return run_and_report<T>(command, is_root ? o : without_output_files(o), std::move(notes), source, is_root,
                           [&](const Json& config, const OwnedProblem<T>& inputs, TraceSink& sink) {
                             return run_in_processes<T>(
                                 *processes, config, o, inputs, sink, [&](TraceSink& events) {
                                   return compute(o, inputs, &processes->mpi(), events);
                                 });
                           });
}

bool runs_in_processes(const RunOptions& o) {
  return o.parallel.transport == "mpi" || (o.parallel.transport == "nccl" && ProcessGroup::launched_by_mpi());
}

int run(Command& command, RunOptions& o, ProcessGroup* processes) {
  std::vector<std::string> notes;
  check_option_conflicts(command, o.problem);
  const InputSource source(o.problem);
  if (source.file) notes = notes_on_file(command, source);
  require(runs_in_processes(o) == (processes != nullptr),
          "[--transport] processes start before a file is read; found ", o.parallel.transport,
          " in the metadata of --input; give --transport on the command line");
  if (processes) default_devices_to_process_count(command, o, processes->mpi());
  check_option_conflicts(command, o, source.dtype);
  if (o.on_gpu()) require_gpu(processes ? &processes->mpi() : nullptr);
  return source.dtype == Dtype::f64 ? run<double>(command, o, notes, source, processes)
                                    : run<float>(command, o, notes, source, processes);
}

}  // namespace

void add_run(Program& program) {
  Command* command = program.add_command(
      "run", "Run ring attention on random, loaded or text input and compare it with full attention");
  const auto o = std::make_shared<RunOptions>();
  add_run_options(*command, *o);
  command->action([command, o] {
    if (!runs_in_processes(*o)) return run(*command, *o, nullptr);
    return ProcessGroup::run([&](ProcessGroup& processes) { return run(*command, *o, &processes); });
  });
}

}  // namespace ringattn::cli
