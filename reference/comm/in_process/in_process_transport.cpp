#include "reference/comm/in_process/in_process_transport.h"

#include <algorithm>

namespace ringattn {

template <class T>
InProcessTransport<T>::InProcessTransport(int devices, int threads, Exchange exchange,
                                          LinkDecorator<T> decorate)
    : devices_(devices),
      threads_(threads == 0 ? devices : std::min(threads, devices)),
      exchange_(exchange),
      decorate_(std::move(decorate)) {}

template <class T>
Link<T>& InProcessTransport<T>::connect(const std::vector<Route>& routes) {
  // Destroy those of the previous pass in reverse order, since each refers to the one before
  decorated_.reset();
  link_.reset();
  monitor_ = std::make_unique<RunMonitor>(devices_, threads_);
  link_ = std::make_unique<InProcessLink<T>>(routes, exchange_, *monitor_);
  if (decorate_) decorated_ = decorate_(*link_, *monitor_);
  return decorated_ ? *decorated_ : *link_;
}

template class InProcessTransport<float>;
template class InProcessTransport<double>;

}  // namespace ringattn
