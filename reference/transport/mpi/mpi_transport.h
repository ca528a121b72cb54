#pragma once

#include "reference/transport/mpi/mpi_link.h"
#include "reference/transport/ring_options.h"
#include "reference/transport/transport.h"

namespace ringattn {

// Throws BadInput where there are not as many
void require_a_process_a_device(const Post& post, int devices);

// A device in each process: its rank is its number.
template <class T>
class MpiTransport : public Transport<T> {
 public:
  // _options_.devices must be the number of processes, _options_.facts has the pen of each device, of which
  // this one's is used; threads and exchange are of no matter
  MpiTransport(Post& post, const RingOptions& options, LinkDecorator<T> decorate = {});

  DeviceRange here() const override { return {post_.rank(), post_.rank() + 1}; }
  void go_round(std::span<Work<T>* const> works) override;

 private:
  Post& post_;
  RingOptions options_;
  LinkDecorator<T> decorate_;
  MpiLink<T> link_;
};

}  // namespace ringattn
