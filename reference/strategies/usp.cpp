#include "reference/strategies/usp.h"

#include "reference/blockwise/block_backward.h"
#include "reference/strategies/usp_groups.h"
#include "reference/strategies/usp_loop.h"
#include "reference/strategies/usp_programs.h"

namespace ringattn {

namespace {

// Runs one pass: devices[i] on the local device i of the transport. Throws the first error of any device
template <class T, class SomeDevice>
void run_pass(const std::vector<std::unique_ptr<SomeDevice>>& devices, const RingOptions& options, int u,
              Link<T>& link, RunRecorders& recorders, Transport<T>& transport) {
  const auto run = [&](int first, int last) {
    run_usp<T, SomeDevice>({devices.data() + first, devices.data() + last}, options, u, link, recorders);
  };
  RunMonitor& monitor = transport.monitor();
  const int count = static_cast<int>(devices.size());
  if (transport.threads() > 1) return run_on_threads(count, transport.threads(), monitor, run);
  try {
    run(0, count);
  } catch (...) {
    monitor.fail(std::current_exception());
  }
  monitor.rethrow_first_error();
}

}  // namespace

template <class T>
AttentionOutput<T> usp_attention(const Problem<T>& problem, const RingOptions& options, int u,
                                 Transport<T>& transport) {
  RunRecorders recorders(options);
  Link<T>& link = transport.connect(usp_routes(options.devices, u));
  const RingConfig all = ring_config(problem, options.layout, options.devices, {});
  std::vector<std::unique_ptr<UspForward<T>>> devices;
  for (int d = transport.local_devices().begin; d < transport.local_devices().end; ++d)
    devices.push_back(std::make_unique<UspForward<T>>(
        config_in_group(all, u, d), options.rotate, query_shard(problem, options.layout, d, options.devices),
        kv_shard(problem, options.layout, d, options.devices),
        HeadExchange<T>(group_of(all, u, d), Port<T>(d, link, recorders.of(d))), recorders.of(d)));
  run_pass(devices, options, u, link, recorders, transport);

  // Write the rows of each device to their places in the sequence
  const Shape out = problem.out_shape();
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (const auto& d : devices) {
    const auto rows = rows_of_device(options.layout, d->device(), options.devices, out.S);
    scatter_rows(d->query_results()[0], rows, result.out);
    scatter_rows(d->query_results()[1], rows, result.lse);
  }
  return result;
}

template <class T>
Gradients<T> usp_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                               const Cotangents<T>& cotangents, const RingOptions& options, int u,
                               Transport<T>& transport) {
  check(problem, cotangents);
  const Tensor<T> row_terms = row_terms_of<T>(cotangents, forward.out, forward.lse);
  RunRecorders recorders(options);
  Link<T>& link = transport.connect(usp_routes(options.devices, u));
  const RingConfig all = ring_config(problem, options.layout, options.devices, {});
  Gradients<T> result{Tensor<T>(problem.Q.shape), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape),
                      zero_sink_gradients<T>(problem.scoring)};
  std::vector<std::unique_ptr<UspBackward<T>>> devices;
  for (int d = transport.local_devices().begin; d < transport.local_devices().end; ++d) {
    const QueryShard<T> queries = query_shard(problem, options.layout, d, options.devices);
    const CotangentShard<T> rows = cotangent_shard(forward, cotangents, row_terms, queries.rows);
    add(sink_gradients_of(problem.scoring, *rows.lse, *rows.row_term), result.dsinks);
    devices.push_back(std::make_unique<UspBackward<T>>(
        config_in_group(all, u, d), options.rotate, queries,
        kv_shard(problem, options.layout, d, options.devices), rows,
        HeadExchange<T>(group_of(all, u, d), Port<T>(d, link, recorders.of(d))), recorders.of(d)));
  }
  run_pass(devices, options, u, link, recorders, transport);

  // Write the rows of each device to their places in the sequence
  for (const auto& d : devices) {
    const auto keys = rows_of_device(options.layout, d->device(), options.devices, problem.K.shape.S);
    scatter_rows(d->query_results()[0],
                 rows_of_device(options.layout, d->device(), options.devices, problem.Q.shape.S), result.dq);
    scatter_rows(d->kv_results()[0], keys, result.dk);
    scatter_rows(d->kv_results()[1], keys, result.dv);
  }
  return result;
}

#define RINGATTN_FOR(T)                                                                                 \
  template AttentionOutput<T> usp_attention(const Problem<T>&, const RingOptions&, int, Transport<T>&); \
  template Gradients<T> usp_attention_vjp(const Problem<T>&, const AttentionOutput<T>&,                 \
                                          const Cotangents<T>&, const RingOptions&, int, Transport<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
