#include "reference/strategies/bidirectional.h"

#include "reference/ring/backward_pass.h"
#include "reference/ring/forward_pass.h"

namespace ringattn {

std::array<HeadRange, 2> heads_of_directions(Index query_heads, Index kv_heads) {
  const Index per_kv_head = query_heads / kv_heads, half = (kv_heads + 1) / 2, rest = kv_heads - half;
  return {HeadRange{0, half * per_kv_head, 0, half},
          HeadRange{half * per_kv_head, rest * per_kv_head, half, rest}};
}

namespace {

// Runs the programs of both directions as one pass; each device has one program for each direction
template <class Programs, class T>
void run_both(const Programs& ring, const Programs& reverse_ring, const RingOptions& options,
              Transport<T>& transport) {
  std::vector<ScheduledProgram<T>> both;
  for (std::size_t i = 0; i < ring.scheduled().size(); ++i)
    both.insert(both.end(), {ring.scheduled()[i], reverse_ring.scheduled()[i]});
  std::vector<Route> routes = all_routes(ring_schedule, options.devices);
  const std::vector<Route> reverse = all_routes(reverse_ring_schedule, options.devices);
  routes.insert(routes.end(), reverse.begin(), reverse.end());
  run_programs(both, routes, options, transport);
}

}  // namespace

template <class T>
AttentionOutput<T> bidirectional_attention(const Problem<T>& problem, const RingOptions& options,
                                           Transport<T>& transport) {
  const auto [first, second] = heads_of_directions(problem.Q.shape.H, problem.K.shape.H);
  const DeviceRange local = transport.local_devices();
  const ForwardPrograms<T> ring(with_heads(problem, first), options, local,
                                forward_program<T>(options.rotate), ring_schedule);
  const ForwardPrograms<T> reverse(with_heads(problem, second), options, local,
                                   forward_program<T>(options.rotate), reverse_ring_schedule);
  run_both(ring, reverse, options, transport);

  // Gather the heads of both
  const Shape out = problem.out_shape();
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (const auto& [part, heads] : {std::pair(ring.gather(), first), std::pair(reverse.gather(), second)}) {
    write_heads(part.out, heads.first, result.out);
    write_heads(part.lse, heads.first, result.lse);
  }
  return result;
}

template <class T>
Gradients<T> bidirectional_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                         const Cotangents<T>& cotangents, const RingOptions& options,
                                         Transport<T>& transport) {
  const auto [first, second] = heads_of_directions(problem.Q.shape.H, problem.K.shape.H);
  const DeviceRange local = transport.local_devices();
  const BackwardPrograms<T> ring(with_heads(problem, first), with_heads(forward, first),
                                 with_heads(cotangents, first), options, local,
                                 backward_program<T>(options.rotate), ring_schedule);
  const BackwardPrograms<T> reverse(with_heads(problem, second), with_heads(forward, second),
                                    with_heads(cotangents, second), options, local,
                                    backward_program<T>(options.rotate), reverse_ring_schedule);
  run_both(ring, reverse, options, transport);

  // Gather the heads of both
  Gradients<T> result{Tensor<T>(problem.Q.shape), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape),
                      zero_sink_gradients<T>(problem.scoring)};
  for (const auto& [part, heads] : {std::pair(ring.gather(), first), std::pair(reverse.gather(), second)}) {
    write_heads(part.dq, heads.first, result.dq);
    write_heads(part.dk, heads.kv_first, result.dk);
    write_heads(part.dv, heads.kv_first, result.dv);
    write_heads(part.dsinks, heads.first, result.dsinks);
  }
  return result;
}

#define RINGATTN_FOR(T)                                                                                      \
  template AttentionOutput<T> bidirectional_attention(const Problem<T>&, const RingOptions&, Transport<T>&); \
  template Gradients<T> bidirectional_attention_vjp(const Problem<T>&, const AttentionOutput<T>&,            \
                                                    const Cotangents<T>&, const RingOptions&,                \
                                                    Transport<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
