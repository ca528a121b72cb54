#include "reference/transport/faulty.h"

#include "reference/ring/schedule.h"

namespace ringattn {

namespace {

template <class T>
Message<T> copy_of(const Message<T>& message) {
  Message<T> copy;
  copy.stamp = message.stamp;
  copy_tensors(message.block, copy.block);
  return copy;
}

// Rows from the middle on are those of _before_, as far as it has them
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

// The tensors of _before_ under the name of _block_, with as many rows as it has
template <class T>
void make_stale(Block<T>& block, const Block<T>& before) {
  for (std::size_t i = 0; i < block.tensors.size(); ++i)
    if (block.tensors[i]->shape() == before.tensors[i]->shape()) *block.tensors[i] = *before.tensors[i];
}

}  // namespace

template <class T>
void Faulty<T>::send(int device, Lane lane, const Message<T>& message) {
  if (fault_.kind == FaultKind::blocking_sends) {
    inner_.send(device, lane, message);
    inner_.reserve(device, lane);  // an empty slot again: the message was received
    return;
  }
  if (!strikes(device, lane)) return inner_.send(device, lane, message);

  const bool now = hops_++ == fault_.hop;
  if (now && fault_.kind == FaultKind::lost) return;
  Message<T> sent = copy_of(message);
  if (now && !last_sent_.block.empty()) {
    if (fault_.kind == FaultKind::stale) make_stale(sent.block, last_sent_.block);
    if (fault_.kind == FaultKind::torn) tear(sent.block, last_sent_.block);
  }
  last_sent_ = copy_of(message);
  inner_.send(device, lane, sent);
}

template <class T>
void Faulty<T>::receive(int device, Lane lane, Message<T>& held, double now) {
  inner_.receive(device, lane, held, now);
  if (fault_.kind != FaultKind::twice || !strikes(previous_device(device, devices_), lane)) return;
  waiting_.push_back(copy_of(held));
  if (receives_++ == fault_.hop) waiting_.push_back(copy_of(held));
  held = std::move(waiting_.front());
  waiting_.pop_front();
}

template class Faulty<float>;
template class Faulty<double>;

}  // namespace ringattn
