#include "reference/ring/device.h"

#include "reference/ring/schedule.h"

namespace ringattn {

template <class T>
Device<T>::Device(int device, int devices, Work<T>& work, Link<T>& link, Recorder& facts)
    : device_(device), devices_(devices), work_(work), link_(link), facts_(facts) {}

template <class T>
void Device<T>::begin() {
  facts_.run_begins(work_.pass());
  for (const auto& [what, bytes] : work_.holdings()) facts_.holds(what, bytes);
  visitor_ = work_.home();
}

template <class T>
void Device<T>::send_on(int step) {
  if (!last(step)) send(step, Lane::ahead, visitor_);
}

template <class T>
void Device<T>::attend(int step) {
  result_ = work_.attend(step, visitor_, facts_);
  if (!has_results() || step == 0) return;
  Block<T> arrived;
  receive(step, Lane::behind, arrived);
  work_.join(step, result_, arrived, facts_);
}

template <class T>
void Device<T>::take_next(int step) {
  if (has_results()) send(step, Lane::behind, result_);
  result_ = {};
  if (!last(step)) receive(step, Lane::ahead, visitor_);
}

template <class T>
void Device<T>::finish() {
  if (has_results()) {
    Block<T> result;
    receive(devices_ - 1, Lane::behind, result);
    work_.take_home(std::move(result));
  }
  visitor_ = {};
  facts_.finalized();
  for (const auto& [what, bytes] : work_.holdings()) facts_.releases(what, bytes);
  facts_.run_ends();
}

template <class T>
void Device<T>::send(int step, Lane lane, const Block<T>& block) {
  facts_.wait_begins(step, "send_buffer");
  const double empty_since = link_.reserve(device_, lane);
  facts_.wait_ends(empty_since);

  const std::string_view what = lane == Lane::ahead ? work_.ahead() : work_.behind();
  const Stamp stamp = facts_.sends(step, next_device(device_, devices_), block.owner, what, block.bytes());
  link_.send(device_, lane, {block, stamp});
  facts_.send_posted();
}

template <class T>
void Device<T>::receive(int step, Lane lane, Block<T>& block) {
  facts_.wait_begins(step, "recv");
  Message<T> held{std::move(block), {}};
  link_.receive(device_, lane, held, facts_.now());
  facts_.wait_ends(held.stamp.arrives_t, held.stamp.sent);

  block = std::move(held.block);
  const std::string_view what = lane == Lane::ahead ? work_.ahead() : work_.behind();
  facts_.received(step, previous_device(device_, devices_), block.owner, what, block.bytes(), held.stamp);
}

template class Device<float>;
template class Device<double>;

}  // namespace ringattn
