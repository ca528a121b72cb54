#include "reference/transport/mpi/mpi_transport.h"

#include "reference/definition/bad_input.h"
#include "reference/ring/loop.h"

namespace ringattn {

void require_a_process_a_device(const Post& post, int devices) {
  require(devices == post.ranks(), "[mpi] each process is a device; found ", devices, " devices and ",
          post.ranks(), " processes; start as many processes as devices");
}

template <class T>
MpiTransport<T>::MpiTransport(Post& post, const RingOptions& options, LinkDecorator<T> decorate)
    : post_(post), options_(options), decorate_(std::move(decorate)), link_(post) {
  require_a_process_a_device(post, options.devices);
}

template <class T>
void MpiTransport<T>::go_round(std::span<Work<T>* const> works) {
  link_.begin_pass();
  WaitingRoom& room = post_.room();
  const std::unique_ptr<Link<T>> decorated = decorate_ ? decorate_(link_, room) : nullptr;
  Link<T>& link = decorated ? *decorated : link_;

  Recorder silent;
  Recorder& facts = options_.facts ? (*options_.facts)[static_cast<std::size_t>(post_.rank())] : silent;
  Device<T> device(post_.rank(), post_.ranks(), *works.front(), link, facts);
  try {
    run_ring(std::span<Device<T>>(&device, 1), post_.ranks(), options_.overlap);
  } catch (...) {
    room.fail(std::current_exception());
  }
  room.rethrow_first_error();
}

template class MpiTransport<float>;
template class MpiTransport<double>;

}  // namespace ringattn
