#pragma once

#include "reference/comm/mpi/mpi_link.h"
#include "reference/comm/transport.h"

namespace ringattn {

// Throws BadInput unless the number of processes equals _devices_
void require_one_process_per_device(const MpiCommunicator& mpi, int devices);

// One device per process; the rank of the process is the number of its device.
template <class T>
class MpiTransport : public Transport<T> {
 public:
  // Throws BadInput unless the number of processes equals _devices_
  MpiTransport(MpiCommunicator& mpi, int devices, LinkDecorator<T> decorate = {});

  DeviceRange local_devices() const override { return {mpi_.rank(), mpi_.rank() + 1}; }
  int threads() const override { return 1; }
  Link<T>& connect(const std::vector<Route>& routes) override;
  RunMonitor& monitor() override { return mpi_.monitor(); }

 private:
  MpiCommunicator& mpi_;
  LinkDecorator<T> decorate_;
  MpiLink<T> link_;
  std::unique_ptr<Link<T>> decorated_;  // of the current pass
};

}  // namespace ringattn
