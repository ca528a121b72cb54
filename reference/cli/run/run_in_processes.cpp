#include "reference/cli/run/run_in_processes.h"

#include <sstream>

#include "reference/cli/output/progress.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/tee_sink.h"
#include "reference/trace/trace_store.h"

namespace ringattn::cli {

namespace {

// Shows whether all processes have the same inputs (FNV-1a by Fowler, Noll and Vo)
template <class T>
std::uint64_t hash_of(const OwnedProblem<T>& inputs) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  };
  for (const Tensor<T>* tensor : {&inputs.Q, &inputs.K, &inputs.V, &inputs.dout, &inputs.dlse})
    add(std::as_bytes(std::span(tensor->data(), static_cast<std::size_t>(tensor->size()))));
  for (const std::vector<double>* numbers : {&inputs.scoring.sinks, &inputs.scoring.alibi_slopes})
    add(std::as_bytes(std::span(*numbers)));
  return hash;
}

// Calls f(tensor, rows of device _device_) for each result
template <class T, class F>
void for_results(RingResults<T>& results, const RingOptions& ring, int device, F f) {
  const auto rows = [&](Index N) { return rows_of_device(ring.layout, device, ring.devices, N); };
  const std::vector<Index> queries = rows(results.forward.out.shape().S);
  f(results.forward.out, queries), f(results.forward.lse, queries);
  if (!results.gradients) return;
  auto& [dq, dk, dv, dsinks] = *results.gradients;
  const std::vector<Index> keys = rows(dk.shape().S);
  f(dq, queries), f(dk, keys), f(dv, keys);
}

template <class T>
std::string pack(RingResults<T>& results, const RingOptions& ring, int device) {
  std::string bytes;
  for_results(results, ring, device, [&](Tensor<T>& whole, const std::vector<Index>& rows) {
    const Tensor<T> part = select_rows<const T>(whole, rows);
    bytes.append(reinterpret_cast<const char*>(part.data()), static_cast<std::size_t>(part.bytes()));
  });
  if (!results.gradients) return bytes;
  const Tensor<T>& dsinks = results.gradients->dsinks;
  return bytes.append(reinterpret_cast<const char*>(dsinks.data()), static_cast<std::size_t>(dsinks.bytes()));
}

template <class T>
void unpack(const std::string& bytes, RingResults<T>& results, const RingOptions& ring, int device) {
  std::size_t offset = 0;
  for_results(results, ring, device, [&](Tensor<T>& whole, const std::vector<Index>& rows) {
    const Shape& s = whole.shape();
    Tensor<T> part({s.B, static_cast<Index>(rows.size()), s.H, s.D});
    const auto size = static_cast<std::size_t>(part.bytes());
    bytes.copy(reinterpret_cast<char*>(part.data()), size, offset);
    offset += size;
    scatter_rows(part, rows, whole);
  });
  if (!results.gradients) return;

  // The gradients of the sinks are sums over the rows of all devices
  Tensor<T> part(results.gradients->dsinks.shape());
  bytes.copy(reinterpret_cast<char*>(part.data()), static_cast<std::size_t>(part.bytes()), offset);
  add(part, results.gradients->dsinks);
}

std::string trace_lines(const TraceStore& store, int devices) {
  TraceHeader header;
  header.devices = devices;
  std::ostringstream lines;
  write_json_lines(lines, header, store.events());
  return lines.str();
}

}  // namespace

template <class T>
RingResults<T> run_in_processes(ProcessGroup& processes, const Json& config, const RunOptions& o,
                                const OwnedProblem<T>& inputs, TraceSink& sink,
                                const std::function<RingResults<T>(TraceSink& events)>& compute) {
  MpiCommunicator& mpi = processes.mpi();
  const RingOptions ring = o.parallel.ring_options();
  TraceStore events(ring.devices);
  ProgressSink progress(std::int64_t{ring.devices} * (o.backward ? 2 : 1));
  TeeSink local_sinks(processes.is_root() ? std::vector<TraceSink*>{&events, &progress}
                                          : std::vector<TraceSink*>{&events});

  // Compare the options and inputs of all processes, then run the ring
  Json all = config;
  all["hash of the inputs"] = hash_of(inputs);
  processes.require_same_config(all);
  RingResults<T> results = compute(local_sinks);
  results.processes = mpi.ranks();

  // Gather results and events on process 0
  const std::vector<std::string> parts = mpi.gather(pack(results, ring, mpi.rank()));
  const std::vector<std::string> lines = mpi.gather(trace_lines(events, ring.devices));
  for (std::size_t process = 0; process < lines.size(); ++process) {
    if (process > 0) unpack(parts[process], results, ring, static_cast<int>(process));
    results.remote_traces.push_back(parse_trace(lines[process]));
    for (const Event& event : results.remote_traces.back().events) sink.write(event);
  }
  return results;
}

template RingResults<float> run_in_processes(ProcessGroup&, const Json&, const RunOptions&,
                                             const OwnedProblem<float>&, TraceSink&,
                                             const std::function<RingResults<float>(TraceSink&)>&);
template RingResults<double> run_in_processes(ProcessGroup&, const Json&, const RunOptions&,
                                              const OwnedProblem<double>&, TraceSink&,
                                              const std::function<RingResults<double>(TraceSink&)>&);

}  // namespace ringattn::cli
