#include "reference/comm/mpi/mpi_transport.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn {

void require_one_process_per_device(const MpiCommunicator& mpi, int devices) {
  require(devices == mpi.ranks(), "[mpi] each process runs one device; found ", devices, " devices and ",
          mpi.ranks(), " processes; start one process for each device");
}

template <class T>
MpiTransport<T>::MpiTransport(MpiCommunicator& mpi, int devices, LinkDecorator<T> decorate)
    : mpi_(mpi), decorate_(std::move(decorate)), link_(mpi) {
  require_one_process_per_device(mpi, devices);
}

template <class T>
Link<T>& MpiTransport<T>::connect(const std::vector<Route>& routes) {
  link_.begin_pass(routes);
  if (!decorate_) return link_;
  decorated_ = decorate_(link_, monitor());
  return *decorated_;
}

template class MpiTransport<float>;
template class MpiTransport<double>;

}  // namespace ringattn
