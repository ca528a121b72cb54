#pragma once

#include <functional>
#include <memory>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/ring/forward.h"
#include "reference/transport/slots.h"

namespace ringattn {

enum class Rotation { kv, q };

// How attention is spread over a ring of devices in this process.
struct RingOptions {
  int devices = 1;
  Layout layout = Layout::contiguous;
  Rotation rotate = Rotation::kv;
  int threads =
      0;  // that drive the devices; 0: a thread for each device; 1: lockstep, all devices in this thread
  bool overlap = true;  // send a block on before working on it
  Exchange exchange = Exchange::copied;

  Recorders* facts = nullptr;  // the pens of the devices, where somebody wants the facts
  WatchedRows watched;         // rows of which the facts show every change
};

// Puts something around the links of a run: a throttle, a gate, a fault. The result may keep a reference to
// both.
template <class T>
using LinkDecorator = std::function<std::unique_ptr<Link<T>>(Link<T>& inner, WaitingRoom& room)>;

// Exact attention over a ring: what the definition gives, with no device holding more than its share of Q, K
// and V, two blocks that travel, and one tile of scores. out (B, Sq, Hq, Dv) and lse (B, Sq, Hq, 1). Throws
// BadInput where shapes disagree, and the first error of any device. _absorb_: what devices are to do with a
// block in the place of what is right; only where K and V rotate.
template <class T>
Attended<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                           const LinkDecorator<T>& decorate = {}, const Absorb<T>& absorb = {});

// Its vector-Jacobian product. _forward_ is the finished forward, in global order.
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const Attended<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate = {});

}  // namespace ringattn
