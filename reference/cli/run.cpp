#include "reference/cli/run.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "reference/cli/case.h"
#include "reference/cli/progress.h"
#include "reference/cli/run_in_processes.h"
#include "reference/cli/run_options.h"
#include "reference/cli/run_report.h"
#include "reference/cli/steps.h"
#include "reference/files/output_file.h"
#include "reference/trace/json_lines.h"
#include "reference/trace/perfetto.h"
#include "reference/trace/tee_sink.h"
#include "reference/trace/trace_store.h"
#include "reference/transport/mpi/mpi_transport.h"

namespace ringattn::cli {

namespace {

// The options that were typed or have a default, by name; shapes and type as they are, whatever gave them
template <class T>
Json config_of(const CLI::App& command, const Case<T>& c) {
  Json config;
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name(false, false);
    if (name == "--help") continue;
    const std::string value =
        option->count() ? CLI::detail::join(option->results(), ",") : option->get_default_str();
    if (!value.empty()) config[name.substr(2)] = value;
  }
  const Shape &q = c.Q.shape(), &v = c.V.shape();
  const std::pair<const char*, Index> extents[] = {{"batch", q.B}, {"seq", q.S},      {"kv-seq", v.S},
                                                   {"heads", q.H}, {"kv-heads", v.H}, {"dim", q.D},
                                                   {"v-dim", v.D}};
  for (const auto& [name, extent] : extents) config[name] = std::to_string(extent);
  config["dtype"] = name(c.dtype);
  return config;
}

// Everything that listens to a run
struct Listeners {
  Summary summary;
  Progress progress;
  std::optional<TraceStore> store;
  std::optional<Steps> steps;
  TeeSink all;

  explicit Listeners(const RunOptions& o)
      : summary(o.spread.devices),
        progress(std::int64_t{o.spread.devices} * o.spread.devices * (o.backward ? 2 : 1)),
        all({}) {
    std::vector<TraceSink*> sinks{&summary, &progress};
    if (o.trace) sinks.push_back(&store.emplace(o.spread.devices));
    if (o.steps) sinks.push_back(&steps.emplace(o.spread.devices));
    all = TeeSink(sinks);
  }
};

// What lse, m, l and O are stored as
Dtype state_dtype(Dtype dtype) { return dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32; }

TraceHeader trace_header(const RunOptions& o, const RunReport& report) {
  TraceHeader header;
  header.engine_version = RINGATTN_VERSION;
  header.devices = o.spread.devices;
  header.batch = report.q.B, header.Sq = report.q.S, header.Skv = report.k.S;
  header.heads = report.q.H, header.kv_heads = report.k.H, header.head_dim = report.q.D,
  header.v_dim = report.v.D;
  header.layout = o.spread.layout, header.rotate = o.spread.rotate, header.dtype = name(report.dtype);
  header.overlap = o.spread.overlap, header.transport = o.on_gpu() ? "gpu" : o.spread.transport;
  if (o.backward) header.passes.push_back("backward");
  header.cost = o.spread.cost();
  for (const auto& [key, value] : report.config.items())
    header.options.emplace_back(key, value.template get<std::string>());
  return header;
}

// The files that a run will write, opened before it begins: a path that cannot be written is found out at
// once
struct OutputFiles {
  std::optional<OutputFile> output, trace, perfetto, steps, json;

  explicit OutputFiles(const RunOptions& o) {
    require_different_files(o);
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
  const auto& [dq, dk, dv] = *results.gradients;
  file.tensors["dq"] = stored_tensor<T>(dq, dtype, Axes::bshd);
  file.tensors["dk"] = stored_tensor<T>(dk, dtype, Axes::bshd);
  file.tensors["dv"] = stored_tensor<T>(dv, dtype, Axes::bshd);
  return file;
}

// Results are rounded to the storage type once, at the end
template <class T>
void round_results(RingResults<T>& results, Dtype dtype) {
  round_to(dtype, results.forward.out);
  if (results.gradients)
    for (Tensor<T>* tensor : {&results.gradients->dq, &results.gradients->dk, &results.gradients->dv})
      round_to(dtype, *tensor);
}

template <class T>
RunReport report_of(const Json& config, const RunOptions& o, const Case<T>& c, const Listeners& listeners,
                    const RingResults<T>& results) {
  const RingOptions ring = o.spread.ring();
  RunReport report{config,
                   {},
                   c.Q.shape(),
                   c.K.shape(),
                   c.V.shape(),
                   c.dtype,
                   o.backward,
                   o.spread,
                   listeners.summary.devices(),
                   {},
                   listeners.summary.overlap(),
                   results.seconds,
                   results.processes,
                   results.gpu,
                   {}};
  for (int d = 0; d < ring.devices; ++d)
    report.rows_of_device.push_back(
        static_cast<Index>(rows_of_device(ring.layout, d, ring.devices, c.Q.shape().S).size()));
  // Tensor cores multiply P and dS as they are stored
  const double weight_rounding = results.gpu ? unit_roundoff(c.dtype) : 0;
  const Gradients<T>* gradients = results.gradients ? &*results.gradients : nullptr;
  report.check = check_against_definition(c, ring, results.forward, gradients, weight_rounding);
  return report;
}

// _compute_: one of the rings of ring_runs.h, or this process's part of it
template <class T, class Compute>
int run_and_report(const CLI::App& command, const RunOptions& o, std::vector<std::string> notes,
                   Source source, bool reports, Compute compute) {
  const Case<T> c = make_case<T>(o.problem, std::move(source));
  const Json config = config_of(command, c);
  OutputFiles files(o);
  Listeners listeners(o);
  RingResults<T> results = compute(config, c, listeners.all);
  if (!reports) return 0;
  round_results(results, c.dtype);
  RunReport report = report_of(config, o, c, listeners, results);
  report.notes = std::move(notes);

  listeners.progress.clear();
  if (files.output) write_safetensors(files.output->stream(), results_file(results, c.dtype));
  if (files.steps)
    write_safetensors(files.steps->stream(),
                      listeners.steps->file(c.problem().out_shape(), state_dtype(c.dtype)));
  if (files.trace) {
    const std::vector<Event> events = listeners.store->events();
    write_json_lines(files.trace->stream(), trace_header(o, report), events);
    write_perfetto(files.perfetto->stream(), events);
  }
  if (files.json) files.json->stream() << pretty(to_json(report));
  files.commit();

  if (o.json && *o.json == "-")
    fmt::print("{}", pretty(to_json(report)));
  else
    print(report);
  return report.check.right() ? 0 : 1;
}

// As many devices as processes, unless somebody says otherwise
void count_devices(CLI::App& command, const RunOptions& o, const Post& post) {
  CLI::Option* devices = command.get_option("--devices");
  if (devices->count() == 0) {
    devices->add_result(std::to_string(post.ranks()));
    devices->run_callback();
  }
  require_a_process_a_device(post, o.spread.devices);
}

// The first process writes the files and the report
RunOptions silent(RunOptions o) {
  o.output.reset(), o.trace.reset(), o.steps.reset(), o.json.reset();
  return o;
}

// The ring that computes, or this process's part of it
template <class T>
RingResults<T> compute(const RunOptions& o, const Case<T>& c, Post* post, TraceSink& facts) {
  if constexpr (std::is_same_v<T, float>)
    if (o.on_gpu()) return run_on_gpu(o, c, post, facts);
  return post ? run_on_mpi(o, c, *post, facts) : run_on_threads(o, c, facts);
}

// _processes_: those of which this is one, if there are several
template <class T>
int run(const CLI::App& command, const RunOptions& o, std::vector<std::string> notes, Source source,
        Processes* processes) {
  if (!processes)
    return run_and_report<T>(
        command, o, std::move(notes), std::move(source), true,
        [&](const Json&, const Case<T>& c, TraceSink& facts) { return compute(o, c, nullptr, facts); });
  const bool first = processes->first();
  return run_and_report<T>(command, first ? o : silent(o), std::move(notes), std::move(source), first,
                           [&](const Json& config, const Case<T>& c, TraceSink& sink) {
                             return run_in_processes<T>(
                                 *processes, config, o, c, sink,
                                 [&](TraceSink& facts) { return compute(o, c, &processes->post(), facts); });
                           });
}

int run(CLI::App& command, RunOptions& o, Processes* processes) {
  std::vector<std::string> notes;
  refuse_contradictions(command, o.problem);
  Source source(o.problem);
  if (source.file) notes = apply_metadata(command, source.file->metadata);
  if (processes) count_devices(command, o, processes->post());
  refuse_contradictions(command, o, source.dtype);
  if (o.on_gpu()) require_gpu(processes ? &processes->post() : nullptr);
  return source.dtype == Dtype::f64 ? run<double>(command, o, notes, std::move(source), processes)
                                    : run<float>(command, o, notes, std::move(source), processes);
}

bool in_processes(const RunOptions& o) {
  return o.spread.transport == "mpi" || (o.spread.transport == "nccl" && Processes::launched());
}

}  // namespace

Action add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "run", "Ring attention on generated, loaded or text input, checked against full attention");
  const auto o = std::make_shared<RunOptions>();
  add_run_options(*command, *o);
  return [command, o] {
    if (!in_processes(*o)) return run(*command, *o, nullptr);
    return Processes::run([&](Processes& processes) { return run(*command, *o, &processes); });
  };
}

}  // namespace ringattn::cli
