#include "reference/comm/mpi/mpi_transport.h"

#include "reference/definition/bad_input.h"
#include "reference/ring/loop.h"

namespace ringattn {

void require_one_process_per_device(const MpiCommunicator& mpi, int devices) {
  require(devices == mpi.ranks(), "[mpi] each process is a device; found ", devices, " devices and ",
          mpi.ranks(), " processes; start as many processes as devices");
}

template <class T>
MpiTransport<T>::MpiTransport(MpiCommunicator& mpi, const RingOptions& options, LinkDecorator<T> decorate)
    : mpi_(mpi), options_(options), decorate_(std::move(decorate)), link_(mpi) {
  require_one_process_per_device(mpi, options.devices);
}

template <class T>
void MpiTransport<T>::run(std::span<DeviceProgram<T>* const> works) {
  link_.begin_pass();
  RunMonitor& monitor = mpi_.monitor();
  const std::unique_ptr<Link<T>> decorated = decorate_ ? decorate_(link_, monitor) : nullptr;
  Link<T>& link = decorated ? *decorated : link_;

  Recorder silent;
  Recorder& recorder = options_.recorders ? (*options_.recorders)[static_cast<std::size_t>(mpi_.rank())] : silent;
  Device<T> device(mpi_.rank(), mpi_.ranks(), *works.front(), link, facts);
  try {
    run_ring(std::span<Device<T>>(&device, 1), mpi_.ranks(), options_.overlap);
  } catch (...) {
    monitor.fail(std::current_exception());
  }
  monitor.rethrow_first_error();
}

template class MpiTransport<float>;
template class MpiTransport<double>;

}  // namespace ringattn
