#include "visualizer/run/blocked_sends.h"

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/trace/trace_store.h"

namespace ringattn::viz {

namespace {

// The devices before _first_ send nothing.
template <class T>
class SendsFrom final : public ForwardingLink<T> {
 public:
  SendsFrom(Link<T>& inner, int first) : ForwardingLink<T>(inner), first_(first) {}

  double reserve(int device, int to, Channel channel) override {
    return device < first_ ? 0 : ForwardingLink<T>::reserve(device, to, channel);
  }
  void send(int device, int to, Channel channel, const Message<T>& message) override {
    if (device >= first_) ForwardingLink<T>::send(device, to, channel, message);
  }

 private:
  int first_;
};

}  // namespace

template <class T>
RunEvents blocked_sends(const RunConfig& config, const OwnedProblem<T>& problem) {
  RunEvents blocked;
  for (int device = 0; device < config.devices; ++device) {
    TraceStore store(config.devices);
    Recorders recorders = make_recorders(store, costs_of(config));
    const LinkDecorator<T> links = [device](Link<T>& inner, RunMonitor&) {
      return std::make_unique<SendsFrom<T>>(inner, device);
    };
    try {
      run_engine<T>(config, problem, recorders, 1, links);
    } catch (const std::exception& error) {
      if (device == 0) blocked.failure = error.what();
    }
    const std::vector<Event> events = store.events_of(device);
    blocked.events.insert(blocked.events.end(), events.begin(), events.end());
  }
  sort_events(blocked.events);
  return blocked;
}

template RunEvents blocked_sends(const RunConfig&, const OwnedProblem<float>&);
template RunEvents blocked_sends(const RunConfig&, const OwnedProblem<double>&);

}  // namespace ringattn::viz
