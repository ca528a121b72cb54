#pragma once

#include "reference/comm/mpi/mpi_link.h"
#include "reference/ring/ring_options.h"
#include "reference/ring/transport.h"

namespace ringattn {

// Throws BadInput where there are not as many
void require_one_process_per_device(const MpiCommunicator& mpi, int devices);

// A device in each process: its rank is its number.
template <class T>
class MpiTransport : public Transport<T> {
 public:
  // _options_.devices must be the number of processes, _options_.facts has the pen of each device, of which
  // this one's is used; threads and exchange are of no matter
  MpiTransport(MpiCommunicator& mpi, const RingOptions& options, LinkDecorator<T> decorate = {});

  DeviceRange local_devices() const override { return {mpi_.rank(), mpi_.rank() + 1}; }
  void run(std::span<DeviceProgram<T>* const> works) override;

 private:
  MpiCommunicator& mpi_;
  RingOptions options_;
  LinkDecorator<T> decorate_;
  MpiLink<T> link_;
};

}  // namespace ringattn
