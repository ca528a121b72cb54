#include "reference/faults/faulty_link.h"

#include <algorithm>

namespace ringattn {

namespace {

// A copy that shares no tensor with _message_
template <class T>
Message<T> copy_of(const Message<T>& message) {
  Message<T> copy;
  copy.timing = message.timing;
  copy_tensors(message.block, copy.block);
  return copy;
}

// Overwrites the second half of the rows by those of _before_, as far as it has as many
template <class T>
void tear(Block<T>& block, const Block<T>& before) {
  for (std::size_t i = 0; i < block.tensors.size(); ++i) {
    Tensor<T>& tensor = *block.tensors[i];
    const Tensor<T>& old = *before.tensors[i];
    const Shape& shape = tensor.shape();
    for (Index b = 0; b < shape.B; ++b)
      for (Index h = 0; h < shape.H; ++h)
        for (Index s = shape.S / 2; s < std::min(shape.S, old.shape().S); ++s)
          tensor.head(b, h).row(s) = old.head(b, h).row(s);
  }
}

// Overwrites tensors by those of _before_ if their shapes agree; the owner stays that of _block_
template <class T>
void make_stale(Block<T>& block, const Block<T>& before) {
  for (std::size_t i = 0; i < block.tensors.size(); ++i)
    if (block.tensors[i]->shape() == before.tensors[i]->shape()) *block.tensors[i] = *before.tensors[i];
}

}  // namespace

template <class T>
void FaultyLink<T>::send(int device, int to, Channel channel, const Message<T>& message) {
  if (fault_.kind == LinkFaultKind::all_send_first) {
    ForwardingLink<T>::send(device, to, channel, message);
    this->reserve(device, to, channel);  // the slot is empty again: the message was received
    return;
  }
  if (!affects(device, channel)) return ForwardingLink<T>::send(device, to, channel, message);

  // Change the message of the hop; keep each message for the next one
  const bool now = hops_++ == fault_.hop;
  if (now && fault_.kind == LinkFaultKind::lost) return;
  Message<T> sent = copy_of(message);
  if (now && !last_sent_.block.empty()) {
    if (fault_.kind == LinkFaultKind::stale) make_stale(sent.block, last_sent_.block);
    if (fault_.kind == LinkFaultKind::torn) tear(sent.block, last_sent_.block);
  }
  last_sent_ = copy_of(message);
  ForwardingLink<T>::send(device, to, channel, sent);
}

template <class T>
void FaultyLink<T>::receive(int device, int from, Channel channel, Message<T>& held, double now) {
  ForwardingLink<T>::receive(device, from, channel, held, now);
  if (fault_.kind != LinkFaultKind::twice || !affects(from, channel)) return;

  // Deliver through a queue that holds the message of the hop twice
  waiting_.push_back(copy_of(held));
  if (receives_++ == fault_.hop) waiting_.push_back(copy_of(held));
  held = std::move(waiting_.front());
  waiting_.pop_front();
}

template class FaultyLink<float>;
template class FaultyLink<double>;

}  // namespace ringattn
