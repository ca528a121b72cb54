#include "reference/transport/threads.h"

#include "reference/ring/loop.h"
#include "reference/transport/drive.h"

namespace ringattn {

template <class T>
Threads<T>::Threads(const RingOptions& options, LinkDecorator<T> decorate)
    : options_(options), decorate_(std::move(decorate)) {}

template <class T>
void Threads<T>::go_round(std::span<Work<T>* const> works) {
  const int devices = options_.devices,
            threads = options_.threads == 0 ? devices : std::min(options_.threads, devices);
  WaitingRoom room(devices, threads);
  Slots<T> slots(devices, options_.exchange, room);
  const std::unique_ptr<Link<T>> decorated = decorate_ ? decorate_(slots, room) : nullptr;
  Link<T>& link = decorated ? *decorated : slots;

  Recorders silent(static_cast<std::size_t>(devices));
  Recorders& facts = options_.facts ? *options_.facts : silent;
  drive(devices, threads, room, [&](int first, int last) {
    std::vector<Device<T>> mine;
    for (int d = first; d < last; ++d)
      mine.emplace_back(d, devices, *works[static_cast<std::size_t>(d)], link,
                        facts[static_cast<std::size_t>(d)]);
    run_ring(std::span<Device<T>>(mine), devices, options_.overlap);
  });
}

template class Threads<float>;
template class Threads<double>;

}  // namespace ringattn
