#include "reference/ring/ring_attention.h"

#include "reference/comm/in_process/in_process_transport.h"
#include "reference/ring/backward_pass.h"
#include "reference/ring/forward_pass.h"

namespace ringattn {

namespace {

template <class T>
InProcessTransport<T> in_process(const RingOptions& o, const LinkDecorator<T>& decorate) {
  return {o.devices, o.threads, o.exchange, decorate};
}

}  // namespace

// ---- Forward ------------------------------------------------------------------------

template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                                  const LinkDecorator<T>& decorate) {
  InProcessTransport<T> transport = in_process(options, decorate);
  return forward_pass<T>(problem, options, transport, forward_program<T>(options.rotate));
}

template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                                  Transport<T>& transport) {
  return forward_pass<T>(problem, options, transport, forward_program<T>(options.rotate));
}

// ---- Backward -----------------------------------------------------------------------

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate) {
  InProcessTransport<T> transport = in_process(options, decorate);
  return backward_pass<T>(problem, forward, cotangents, options, transport);
}

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                Transport<T>& transport) {
  return backward_pass<T>(problem, forward, cotangents, options, transport);
}

#define RINGATTN_FOR(T)                                                                             \
  template AttentionOutput<T> ring_attention(const Problem<T>&, const RingOptions&,                 \
                                             const LinkDecorator<T>&);                              \
  template AttentionOutput<T> ring_attention(const Problem<T>&, const RingOptions&, Transport<T>&); \
  template Gradients<T> ring_attention_vjp(const Problem<T>&, const AttentionOutput<T>&,            \
                                           const Cotangents<T>&, const RingOptions&,                \
                                           const LinkDecorator<T>&);                                \
  template Gradients<T> ring_attention_vjp(const Problem<T>&, const AttentionOutput<T>&,            \
                                           const Cotangents<T>&, const RingOptions&, Transport<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
