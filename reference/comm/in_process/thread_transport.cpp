#include "reference/comm/in_process/thread_transport.h"

#include "reference/ring/loop.h"
#include "reference/comm/in_process/run_on_threads.h"

namespace ringattn {

template <class T>
ThreadTransport<T>::ThreadTransport(const RingOptions& options, LinkDecorator<T> decorate)
    : options_(options), decorate_(std::move(decorate)) {}

template <class T>
void ThreadTransport<T>::run(std::span<DeviceProgram<T>* const> works) {
  const int devices = options_.devices,
            threads = options_.threads == 0 ? devices : std::min(options_.threads, devices);
  RunMonitor monitor(devices, threads);
  InProcessLink<T> inner(devices, options_.exchange, monitor);
  const std::unique_ptr<Link<T>> decorated = decorate_ ? decorate_(inner, monitor) : nullptr;
  Link<T>& link = decorated ? *decorated : inner;

  Recorders silent(static_cast<std::size_t>(devices));
  Recorders& recorders = options_.recorders ? *options_.facts : silent;
  run_on_threads(devices, threads, monitor, [&](int first, int last) {
    std::vector<Device<T>> mine;
    for (int d = first; d < last; ++d)
      mine.emplace_back(d, devices, *works[static_cast<std::size_t>(d)], link,
                        facts[static_cast<std::size_t>(d)]);
    run_ring(std::span<Device<T>>(mine), devices, options_.overlap);
  });
}

template class ThreadTransport<float>;
template class ThreadTransport<double>;

}  // namespace ringattn
