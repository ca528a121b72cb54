#include "reference/strategies/schedule_check.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <optional>

namespace ringattn {

namespace {

// A block, or the results for it and the devices that contributed to them.
struct Content {
  int owner = Step::none;
  std::vector<int> contributors = {};
};

// An act of a device.
struct Act {
  enum class Kind { send_block, attend, add_results, send_results, receive_block, accept } kind;
  int peer = Step::none;
  bool keeps = false;
};

// The acts of a device, in their order
std::deque<Act> acts_of(const Schedule& schedule) {
  using enum Act::Kind;
  std::deque<Act> acts;
  for (const Step& s : schedule.steps) {
    for (const int to : s.block_to) acts.push_back({send_block, to});
    if (s.attends) acts.push_back({attend});
    for (const int from : s.results_from) acts.push_back({add_results, from});
    if (s.results_to != Step::none || !s.keeps_results)
      acts.push_back({send_results, s.results_to, s.keeps_results});
    if (s.block_from != Step::none) acts.push_back({receive_block, s.block_from});
  }
  acts.push_back({accept});
  for (const int from : schedule.own_results_from) acts.push_back({add_results, from});
  return acts;
}

struct DeviceState {
  std::deque<Act> acts;
  Content resident, result, own_result;
  std::vector<int> attended = {};
};

class Network {
 public:
  Network(const ScheduleFactory& schedules, int devices, ScheduleRules rules) : rules_(std::move(rules)) {
    for (int d = 0; d < devices; ++d) {
      const Schedule schedule = schedules(d, devices);
      channels_ = {schedule.blocks, schedule.results};
      devices_.push_back({acts_of(schedule), {d}, {}, {}});
      for (const Route& route : incoming_routes(schedule, d)) slots_[route];
    }
  }

  // Executes acts until no device can proceed
  void run() {
    for (bool progress = true; progress && error_.empty();) {
      progress = false;
      for (std::size_t d = 0; d < devices_.size(); ++d)
        while (!devices_[d].acts.empty() && error_.empty() &&
               execute(static_cast<int>(d), devices_[d].acts.front())) {
          devices_[d].acts.pop_front();
          progress = true;
        }
    }
  }

  std::string error() const;

 private:
  bool execute(int device, const Act& act);
  bool send(const Route& route, const Content& content);
  std::optional<Content> receive(const Route& route);

  // Those that must contribute to the results on _device_, ascending
  std::vector<int> contributors(int device) const;

  ScheduleRules rules_;
  std::pair<Channel, Channel> channels_;
  std::vector<DeviceState> devices_;
  std::map<Route, std::optional<Content>> slots_;
  std::string error_;
};

// Whether the act could be executed
bool Network::execute(int device, const Act& act) {
  DeviceState& d = devices_[static_cast<std::size_t>(device)];
  switch (act.kind) {
    case Act::Kind::send_block:
      return send({device, act.peer, channels_.first}, d.resident);
    case Act::Kind::attend:
      d.attended.push_back(d.resident.owner);
      d.result = {d.resident.owner, {device}};
      return true;
    case Act::Kind::receive_block: {
      const std::optional<Content> arrived = receive({act.peer, device, channels_.first});
      if (arrived) d.resident = *arrived;
      return arrived.has_value();
    }
    case Act::Kind::add_results: {
      const std::optional<Content> arrived = receive({act.peer, device, channels_.second});
      if (!arrived) return false;
      if (d.result.owner == Step::none) d.result.owner = arrived->owner;
      if (d.result.owner != arrived->owner && !rules_.same_queries)
        error_ = "device " + std::to_string(device) + " adds results for device " +
                 std::to_string(arrived->owner) + " to those for device " + std::to_string(d.result.owner);
      d.result.contributors.insert(d.result.contributors.end(), arrived->contributors.begin(),
                                   arrived->contributors.end());
      return true;
    }
    case Act::Kind::send_results:
      if (act.peer == device)
        d.own_result = d.result;
      else if (act.peer != Step::none && !send({device, act.peer, channels_.second}, d.result))
        return false;
      if (!act.keeps) d.result = {};
      return true;
    case Act::Kind::accept:
      d.result = d.own_result;
      return true;
  }
  return false;
}

bool Network::send(const Route& route, const Content& content) {
  const auto slot = slots_.find(route);
  if (slot == slots_.end()) {
    error_ = "device " + std::to_string(route.from) + " sends to device " + std::to_string(route.to) +
             ", which never receives from it";
    return true;
  }
  if (slot->second) return false;
  slot->second = content;
  return true;
}

std::optional<Content> Network::receive(const Route& route) { return std::exchange(slots_.at(route), {}); }

std::vector<int> sorted(std::vector<int> list) {
  std::sort(list.begin(), list.end());
  return list;
}

std::vector<int> Network::contributors(int device) const {
  std::vector<int> found;
  for (int other = 0; other < static_cast<int>(devices_.size()); ++other) {
    const std::vector<int> owners = rules_.attended(other);
    if (rules_.same_queries || std::find(owners.begin(), owners.end(), device) != owners.end())
      found.push_back(other);
  }
  return found;
}

std::string Network::error() const {
  if (!error_.empty()) return error_;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const DeviceState& d = devices_[i];
    const int device = static_cast<int>(i);
    const std::string subject = "device " + std::to_string(device);
    if (!d.acts.empty()) return subject + " waits forever for device " + std::to_string(d.acts.front().peer);
    if (sorted(d.attended) != sorted(rules_.attended(device)))
      return subject + " does not attend exactly once to each block that it must attend to";
    if (!(d.result.owner == device || rules_.same_queries) ||
        sorted(d.result.contributors) != contributors(device))
      return subject + " does not receive exactly one contribution of each device to its results";
  }
  for (const auto& [route, content] : slots_)
    if (content)
      return "a message from device " + std::to_string(route.from) + " to device " +
             std::to_string(route.to) + " is never received";
  return "";
}

}  // namespace

std::string schedule_error(const ScheduleFactory& schedules, int devices, const ScheduleRules& rules) {
  ScheduleRules complete = rules;
  if (!complete.attended)
    complete.attended = [devices](int) {
      std::vector<int> all(static_cast<std::size_t>(devices));
      std::iota(all.begin(), all.end(), 0);
      return all;
    };
  Network network(schedules, devices, complete);
  network.run();
  return network.error();
}

}  // namespace ringattn
